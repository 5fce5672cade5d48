metadata description = 'Something to try it on: a data lake, a Purview account, an Azure Machine Learning workspace and a Synapse workspace with a Spark pool.'

@minLength(13)
@description('Makes names unique.')
param token string

@description('What the names of resources begin with.')
param abbreviations object

@description('Region.')
param location string

@description('Tags of all resources.')
param tags object

@description('Name of the Purview account.')
param purviewName string

@description('Name of the Azure Machine Learning workspace.')
param workspaceName string

@description('ARM id of the Application Insights component that the workspace logs to.')
param insightsId string

@description('Whether to create a Purview account; if not, the sample is scanned by the one that is given.')
param createPurview bool

@description('Public IP addresses that may use the Synapse workspace.')
param operatorAddresses array

@description('Object id of who tries the sample: may upload data and read what runs leave. Empty for none.')
param operatorPrincipalId string

@description('What operatorPrincipalId is.')
param operatorPrincipalType string

@description('Redundancy of the storage accounts.')
param storageRedundancy string

@description('Version of Apache Spark of the pool.')
param sparkVersion string = '3.5'

// Storage Blob Data Reader, Storage Blob Data Contributor, Storage File Data Privileged Contributor
var readerRole = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
var contributorRole = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var fileRole = '69566ab7-960f-475b-8e7c-b3118f30c6bd'

var administrator = {
  initialWorkspaceAdminObjectId: operatorPrincipalId
}

resource lake 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  // checkov:skip=CKV_AZURE_35: the sample is to be tried from anywhere; it holds generated data only
  // checkov:skip=CKV_AZURE_59: the sample is to be tried from anywhere; it holds generated data only
  // checkov:skip=CKV_AZURE_206: the scanner does not follow the parameter: ZRS by default
  // checkov:skip=CKV_AZURE_43: the scanner does not follow the expression: 19 lower-case letters and digits at most
  name: '${abbreviations.storageAccount}lake${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: storageRedundancy
  }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    isHnsEnabled: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

resource lakeBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: lake
  name: 'default'
}

resource data 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: lakeBlobs
  name: 'data'
  properties: {
    publicAccess: 'None'
  }
}

resource workspaceStorage 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  // checkov:skip=CKV_AZURE_35: the sample is to be tried from anywhere; it holds generated data only
  // checkov:skip=CKV_AZURE_59: the sample is to be tried from anywhere; it holds generated data only
  // checkov:skip=CKV_AZURE_206: the scanner does not follow the parameter: ZRS by default
  // checkov:skip=CKV_AZURE_43: the scanner does not follow the expression: 19 lower-case letters and digits at most
  name: '${abbreviations.storageAccount}ml${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: storageRedundancy
  }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  // checkov:skip=CKV_AZURE_109: the sample is to be tried from anywhere; it holds generated data only
  // checkov:skip=CKV_AZURE_189: the sample is to be tried from anywhere; it holds generated data only
  // checkov:skip=CKV_AZURE_110: a sample is deleted and made again under the same name; the vault holds no key of ours
  // checkov:skip=CKV_AZURE_42: as above; soft delete is on
  name: '${abbreviations.keyVault}${token}'
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-06-01' = {
  // checkov:skip=CKV_AZURE_243: the sample is to be tried from anywhere; it holds generated data only
  name: workspaceName
  location: location
  tags: tags
  kind: 'Default'
  sku: {
    name: 'Basic'
    tier: 'Basic'
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    friendlyName: 'Credit risk'
    applicationInsights: insightsId
    keyVault: vault.id
    publicNetworkAccess: 'Enabled'
    storageAccount: workspaceStorage.id
    systemDatastoresAuthMode: 'Identity'
  }
}

// What the pipeline in samples/credit_risk calls `lake` and `cpu-cluster`; without keys, so each with an identity.
resource datastore 'Microsoft.MachineLearningServices/workspaces/datastores@2025-06-01' = {
  parent: workspace
  name: 'lake'
  properties: {
    datastoreType: 'AzureDataLakeGen2'
    accountName: lake.name
    filesystem: data.name
    credentials: {
      credentialsType: 'None'
    }
    serviceDataAccessAuthIdentity: 'WorkspaceSystemAssignedIdentity'
  }
}

resource cluster 'Microsoft.MachineLearningServices/workspaces/computes@2025-06-01' = {
  parent: workspace
  name: 'cpu-cluster'
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    computeType: 'AmlCompute'
    properties: {
      vmSize: 'STANDARD_DS3_V2'
      vmPriority: 'Dedicated'
      scaleSettings: {
        minNodeCount: 0
        maxNodeCount: 1
      }
    }
  }
}

resource clusterData 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(lake.id, cluster.id, contributorRole)
  scope: lake
  properties: {
    principalId: cluster.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributorRole)
  }
}

resource clusterFiles 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspaceStorage.id, cluster.id, contributorRole)
  scope: workspaceStorage
  properties: {
    principalId: cluster.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributorRole)
  }
}

resource purview 'Microsoft.Purview/accounts@2021-12-01' = if (createPurview) {
  name: purviewName
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    managedEventHubState: 'Disabled'
    managedResourceGroupName: 'mrg-${purviewName}'
    publicNetworkAccess: 'Enabled'
  }
}

resource synapse 'Microsoft.Synapse/workspaces@2021-06-01' = {
  // checkov:skip=CKV_AZURE_240: generated data needs no key of the customer's
  // checkov:skip=CKV_AZURE_58: the scanner expects a truth value; managedVirtualNetwork takes a name
  // checkov:skip=CKV_AZURE_157: the sample is to be tried from anywhere; it holds generated data only
  name: '${abbreviations.synapseWorkspace}${token}'
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    azureADOnlyAuthentication: true
    cspWorkspaceAdminProperties: empty(operatorPrincipalId) ? null : administrator
    defaultDataLakeStorage: {
      accountUrl: lake.properties.primaryEndpoints.dfs
      filesystem: data.name
    }
    managedResourceGroupName: 'mrg-${abbreviations.synapseWorkspace}${token}'
    managedVirtualNetwork: 'default'
    publicNetworkAccess: 'Enabled'
  }
}

resource azureServices 'Microsoft.Synapse/workspaces/firewallRules@2021-06-01' = {
  parent: synapse
  name: 'AllowAllWindowsAzureIps'
  properties: {
    // Not an address: Azure reads this range as "services of Azure".
    startIpAddress: '0.0.0.0'
    endIpAddress: '0.0.0.0'
  }
}

resource operators 'Microsoft.Synapse/workspaces/firewallRules@2021-06-01' = [
  for (address, index) in operatorAddresses: {
    parent: synapse
    name: 'operator-${index}'
    properties: {
      startIpAddress: address
      endIpAddress: address
    }
  }
]

resource spark 'Microsoft.Synapse/workspaces/bigDataPools@2021-06-01' = {
  // checkov:skip=CKV_AZURE_242: isolated compute costs a multiple, for a sample
  parent: synapse
  name: 'spark'
  location: location
  tags: tags
  properties: {
    sparkVersion: sparkVersion
    nodeSize: 'Small'
    nodeSizeFamily: 'MemoryOptimized'
    autoPause: {
      enabled: true
      delayInMinutes: 15
    }
    nodeCount: 3
  }
}

resource scanner 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (createPurview) {
  name: guid(lake.id, purview.id, readerRole)
  scope: lake
  properties: {
    principalId: createPurview ? purview!.identity.principalId : ''
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', readerRole)
  }
}

resource notebooks 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(lake.id, synapse.id, contributorRole)
  scope: lake
  properties: {
    principalId: synapse.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributorRole)
  }
}

resource training 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(lake.id, workspace.id, contributorRole)
  scope: lake
  properties: {
    principalId: workspace.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributorRole)
  }
}

resource uploads 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(lake.id, operatorPrincipalId, contributorRole)
  scope: lake
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributorRole)
  }
}

resource jobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(workspaceStorage.id, operatorPrincipalId, contributorRole)
  scope: workspaceStorage
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributorRole)
  }
}

resource files 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(workspaceStorage.id, operatorPrincipalId, fileRole)
  scope: workspaceStorage
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', fileRole)
  }
}

@description('ARM id of the data lake, which `lineage setup --scan` takes.')
output lakeId string = lake.id
