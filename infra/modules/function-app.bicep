metadata description = 'The function app on a Flex Consumption plan, with every app setting.'

@description('Name of the app.')
param name string

@description('Name of its plan.')
param planName string

@description('Region.')
param location string

@description('Tags of all resources.')
param tags object

@description('ARM id of the identity of the app.')
param identityId string

@description('Application id of that identity.')
param identityClientId string

@description('Base URL of the blob service that holds the package, dead letters and the host\'s own state.')
param blobEndpoint string

@description('Base URL of the queue service.')
param queueEndpoint string

@description('Base URL of the table service.')
param tableEndpoint string

@description('Address that telemetry is sent to.')
param insightsAddress string

@description('Base URL of the catalog.')
param purviewEndpoint string

@description('Collection for new entities; the root collection if empty.')
param purviewCollection string

@description('App settings that are on or off, by their names.')
param switches object

@description('Namespaces of jobs that OpenLineage events are taken of, separated by commas; empty for none.')
param openLineageJobs string

@description('Where lineage goes as OpenLineage besides: an https URL or console; empty for nowhere.')
param openLineageOut string

@description('OAuth scope of the token sent to that URL; empty to send none.')
param openLineageScope string

@description('Names or object ids under which scans of Purview write, separated by commas; empty if they are not known.')
param scanners string

@description('Days after which what is no longer needed leaves the ledger; 0 keeps all.')
param ledgerRetentionDays int

@description('ARM ids of the workspaces that events may come from.')
param workspaces array

@description('NCRONTAB schedule of the reconciler.')
param reconcileSchedule string

@description('Most instances a function runs on.')
param maximumInstanceCount int

@description('Memory of an instance in MB.')
param instanceMemoryMB int

@description('Instances of receive_event that are always ready.')
param alwaysReadyInstances int

@description('Subnet for what the app calls; empty without a virtual network.')
param subnetId string

@description('Whether Event Grid calls the app; if not, the app accepts no calls from public networks.')
param receivesEvents bool

var eventGrid = {
  name: 'EventGrid'
  action: 'Allow'
  priority: 100
  tag: 'ServiceTag'
  ipAddress: 'AzureEventGrid'
}
var readyReceivers = {
  name: 'function:receive_event'
  instanceCount: alwaysReadyInstances
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  // checkov:skip=CKV_AZURE_225: no state is in the app, and what was not handled stays on the queue
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  // checkov:skip=CKV_AZURE_78: Flex Consumption has no FTP and refuses ftpsState; the publishing policy below is off
  // checkov:skip=CKV_AZURE_222: Event Grid calls the app from public addresses; in a private network no other caller may
  // checkov:skip=CKV_AZURE_17: Event Grid has no client certificate
  // checkov:skip=CKV_AZURE_212: instances come with messages; those that wait lose nothing
  // checkov:skip=CKV_AZURE_213: health checks of App Service do not exist on Flex Consumption; /api/health does
  name: name
  location: location
  tags: union(tags, {
    'azd-service-name': 'lineage'
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      ipSecurityRestrictionsDefaultAction: empty(subnetId) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: empty(subnetId) || !receivesEvents ? [] : [eventGrid]
      // Deployments come through here, with a token: basic authentication is off below.
      scmIpSecurityRestrictionsDefaultAction: 'Allow'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}lineage-package'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.12'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyInstances == 0 ? [] : [readyReceivers]
      }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  // checkov:skip=CKV_AZURE_66: these are app settings and not the site's logs; Flex Consumption has none of them
  // checkov:skip=CKV_AZURE_63: as above
  // checkov:skip=CKV_AZURE_65: as above
  // checkov:skip=CKV_AZURE_222: as of the app
  // checkov:skip=CKV_AZURE_80: no .NET here
  // checkov:skip=CKV_AZURE_13: Entra authentication of the whole app would keep Event Grid out; HTTP functions take function keys
  // checkov:skip=CKV_AZURE_88: Flex Consumption keeps the package in a container
  parent: app
  name: 'appsettings'
  properties: union(switches, {
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    APPLICATIONINSIGHTS_CONNECTION_STRING: insightsAddress
    AZURE_CLIENT_ID: identityClientId
    AzureWebJobsStorage__blobServiceUri: blobEndpoint
    AzureWebJobsStorage__clientId: identityClientId
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__queueServiceUri: queueEndpoint
    AzureWebJobsStorage__tableServiceUri: tableEndpoint
    LINEAGE_ARM_ENDPOINT: environment().resourceManager
    LINEAGE_CA_BUNDLE: ''
    LINEAGE_CREDENTIAL: 'default'
    LINEAGE_DOWNSTREAM: ''
    LINEAGE_OPENLINEAGE_JOBS: openLineageJobs
    LINEAGE_OPENLINEAGE_OUT: openLineageOut
    LINEAGE_OPENLINEAGE_SCOPE: openLineageScope
    LINEAGE_SCANNERS: scanners
    LINEAGE_RETENTION_DAYS: string(ledgerRetentionDays)
    LINEAGE_STORAGE: blobEndpoint
    LINEAGE_TELEMETRY: 'worker'
    LINEAGE_WORKSPACES: join(workspaces, ',')
    LineageStorage__clientId: identityClientId
    LineageStorage__credential: 'managedidentity'
    LineageStorage__queueServiceUri: queueEndpoint
    PURVIEW_COLLECTION: purviewCollection
    PURVIEW_ENDPOINT: purviewEndpoint
    PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
    PYTHON_ISOLATE_WORKER_DEPENDENCIES: '1'
    PYTHON_THREADPOOL_THREAD_COUNT: '32'
    RECONCILE_SCHEDULE: reconcileSchedule
  })
}

// One after the other: a site refuses two operations at once.
resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  dependsOn: [
    settings
  ]
  properties: {
    allow: false
  }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  dependsOn: [
    ftp
  ]
  properties: {
    allow: false
  }
}

@description('ARM id of the app.')
output id string = app.id
