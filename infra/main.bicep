metadata description = 'All that is ours, in one resource group that `azd down` may delete. What is done to resources of others is in links.bicep and events.bicep.'

targetScope = 'subscription'

@minLength(1)
@maxLength(36)
@description('Name of the azd environment; it is part of the names of all resources.')
param environmentName string

@minLength(1)
@metadata({
  azd: {
    type: 'location'
  }
})
@description('Region of the function app and its storage. Event Grid topics are created where their workspaces are.')
param location string

@description('Azure Machine Learning workspaces whose lineage is published: ARM ids separated by commas; none with deploySample.')
param workspaceIds string

@description('Microsoft Purview account that lineage is written to: its ARM id; none with deploySample.')
param purviewAccountId string

@description('Base URL of the catalog, where it is not https://{account}.purview.azure.com.')
param purviewEndpoint string = ''

@description('Collection for new entities; the root collection if empty.')
param purviewCollection string = ''

@description('Names of Event Grid system topics that the workspaces have already, separated by commas in the order of workspaceIds; a workspace can have only one, and links.bicep creates those that are missing.')
param systemTopicNames string = ''

@description('How events reach the app: through its function receive_event, or straight into its queue, which needs no key and no public endpoint but loses events over 64 KiB to the undelivered ones.')
@allowed([
  'function'
  'queue'
])
param eventDestination string = 'function'

@description('NCRONTAB schedule (six fields) on which the app looks for missed events.')
param reconcileSchedule string = '0 */15 * * * *'

@minValue(1)
@maxValue(1000)
@description('Most instances a function runs on. Each handles at most 12 messages and sends at most 4 requests at a time to Purview, so this caps the load on it.')
param maximumInstanceCount int = 40

@description('Memory of an instance in MB.')
@allowed([
  2048
  4096
])
param instanceMemoryMB int = 2048

@minValue(0)
@maxValue(20)
@description('Instances of receive_event that are always ready, for those who want no cold start.')
param alwaysReadyInstances int = 0

@description('Storage account for queue, ledger and dead letters that exists already: its ARM id. Shared keys should be off there, soft delete and lifecycle rules are yours, and no other environment may use it. Empty creates one.')
param existingStorageAccountId string = ''

@description('Redundancy of new storage accounts; some regions have no zones.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
])
param storageRedundancy string = 'Standard_ZRS'

@description('Log Analytics workspace that exists already: its ARM id. Empty creates one.')
param existingLogAnalyticsId string = ''

@description('Keep traffic to storage, Purview and Azure Machine Learning in a virtual network, through private endpoints.')
param privateNetwork bool = false

@description('Address space of the virtual network, at least a /24.')
param networkAddressPrefix string = '10.90.0.0/24'

@description('Object id of the user or group that operates the app: it may read status, replay and backfill. Empty for none.')
param operatorPrincipalId string = ''

@description('What operatorPrincipalId is.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param operatorPrincipalType string = 'User'

@description('Public IP addresses of operators, single ones, separated by commas: with privateNetwork storage lets them in, and the sample\'s Synapse workspace.')
param operatorAddresses string = ''

@description('Where alerts are mailed to; empty only shows them in the portal.')
param alertEmail string = ''

@minValue(0)
@maxValue(100)
@description('Coverage in percent below which an alert fires.')
param coverageTarget int = 95

@description('Time in which at least one tick of reconcile must end without a failure, or an alert fires: a few times its schedule.')
@allowed([
  'PT1H'
  'PT6H'
  'P1D'
  'P2D'
])
param reconcileWindow string = 'PT1H'

@description('App settings that are on or off, by their names.')
param switches object = {}

@description('Namespaces of jobs that OpenLineage events are taken of, separated by commas, or how they begin (name*).')
param openLineageJobs string = ''

@description('Names or object ids under which scans of Purview write, separated by commas; empty if they are not known.')
param scanners string = ''

@minValue(0)
@description('Days after which what is no longer needed leaves the ledger, 30 at least; 0 keeps all.')
param ledgerRetentionDays int = 0

@description('Where lineage goes as OpenLineage besides: an https URL or console; empty for nowhere.')
param openLineageOut string = ''

@description('OAuth scope of the token sent to that URL, such as api://{application}/.default; empty to send none.')
param openLineageScope string = ''

@minValue(1)
@maxValue(3650)
@description('Days that dead letters and undelivered events are kept after they were replayed. Those that were not are never deleted.')
param replayedRetentionDays int = 90

@description('Also create a Purview account, an Azure Machine Learning workspace, a data lake and a Synapse workspace to try it on, all reachable from public networks.')
param deploySample bool = false

var idForm = '/subscriptions/{0}/resourceGroups/{1}/providers/{2}/{3}'
var abbreviations = loadJsonContent('abbreviations.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}
var groupName = '${abbreviations.resourceGroup}${environmentName}'
var sampleNames = {
  purview: '${abbreviations.purviewAccount}${token}'
  workspace: '${abbreviations.workspace}${token}'
}
var providers = '${subscription().id}/resourceGroups/${groupName}/providers'
var samplePurview = '${providers}/Microsoft.Purview/accounts/${sampleNames.purview}'
var sampleWorkspace = '${providers}/Microsoft.MachineLearningServices/workspaces/${sampleNames.workspace}'
// union() drops what is there twice.
var givenWorkspaces = union(
  filter(split(replace(workspaceIds, ' ', ''), ','), id => !empty(id) && toLower(id) != 'none'),
  []
)
var purviewIsGiven = !empty(purviewAccountId) && toLower(purviewAccountId) != 'none'
var purviewId = purviewIsGiven ? purviewAccountId : samplePurview
// `environment()` has no suffix of Purview's; shared/clouds.py has the same names.
var purviewSuffix = {
  AzureCloud: 'purview.azure.com'
  AzureUSGovernment: 'purview.azure.us'
  AzureChinaCloud: 'purview.azure.cn'
}[environment().name]
var purviewUrl = empty(purviewEndpoint) ? 'https://${last(split(purviewId, '/'))}.${purviewSuffix}' : purviewEndpoint
// Every ARM id that is given, so that a malformed one is refused by name before anything is created; so is a wrong switch.
var givenIds = concat(
  map(givenWorkspaces, id => {
    variable: 'LINEAGE_WORKSPACE_IDS'
    id: id
    type: 'Microsoft.MachineLearningServices/workspaces'
  }),
  [
    {
      variable: 'LINEAGE_PURVIEW_ID'
      id: purviewId
      type: 'Microsoft.Purview/accounts'
    }
    {
      variable: 'LINEAGE_EXISTING_STORAGE_ACCOUNT_ID'
      id: storageId
      type: 'Microsoft.Storage/storageAccounts'
    }
    {
      variable: 'LINEAGE_EXISTING_LOG_ANALYTICS_ID'
      id: existingLogAnalyticsId
      type: 'Microsoft.OperationalInsights/workspaces'
    }
  ]
)
// The range makes an id that is too short long enough to be compared.
var splitIds = map(
  filter(givenIds, it => !empty(it.id)),
  it => union(it, { parts: concat(split(it.id, '/'), range(0, 9)) })
)
var checkedIds = map(
  splitIds,
  it => union(it, { form: format(idForm, it.parts[2], it.parts[4], it.type, it.parts[8]) })
)
var malformedIds = filter(checkedIds, it => contains(skip(it.parts, 1), '') || toLower(it.id) != toLower(it.form))
var wrongSwitches = filter(items(switches), it => !contains(['off', 'on'], it.value))
var complaints = concat(
  map(malformedIds, it => '${it.variable}: "${it.id}" is not ${format(idForm, '{id}', '{name}', it.type, '{name}')}'),
  map(wrongSwitches, it => '${it.key}: "${it.value}" is neither off nor on')
)
var allWorkspaces = concat(givenWorkspaces, deploySample ? [sampleWorkspace] : [])
var workspaces = empty(complaints) ? allWorkspaces : fail(join(complaints, '; '))
var givenTopics = split(replace(systemTopicNames, ' ', ''), ',')
var newTopics = map(workspaces, id => '${abbreviations.systemTopic}${replace(last(split(id, '/')), '_', '-')}')
var topicNames = [
  for (name, index) in newTopics: index < length(givenTopics) && !empty(givenTopics[index]) ? givenTopics[index] : name
]
var addresses = filter(split(replace(operatorAddresses, ' ', ''), ','), address => !empty(address))
var storageIsOurs = empty(existingStorageAccountId)
var newStorageName = '${abbreviations.storageAccount}${token}'
var storageName = storageIsOurs ? newStorageName : last(split(existingStorageAccountId, '/'))
var newStorageId = '${providers}/Microsoft.Storage/storageAccounts/${newStorageName}'
var storageId = storageIsOurs ? newStorageId : existingStorageAccountId
var blobEndpoint = 'https://${storageName}.blob.${environment().suffixes.storage}/'
var queueEndpoint = 'https://${storageName}.queue.${environment().suffixes.storage}/'
var tableEndpoint = 'https://${storageName}.table.${environment().suffixes.storage}/'

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: groupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  name: 'identity'
  params: {
    name: '${abbreviations.managedIdentity}${token}'
    location: location
    tags: tags
  }
}

module storageAccount 'modules/storage-account.bicep' = if (storageIsOurs) {
  scope: group
  name: 'storage-account'
  params: {
    name: newStorageName
    location: location
    tags: tags
    publicAccess: !privateNetwork
    operatorAddresses: addresses
    redundancy: storageRedundancy
    replayedRetentionDays: replayedRetentionDays
  }
}

module storageContents 'modules/storage-contents.bicep' = if (storageIsOurs) {
  scope: group
  name: 'storage-contents'
  dependsOn: [
    storageAccount
  ]
  params: {
    accountName: newStorageName
  }
}

module storageForApp 'modules/storage-access.bicep' = if (storageIsOurs) {
  scope: group
  name: 'storage-access-app'
  dependsOn: [
    storageAccount
  ]
  params: {
    accountName: newStorageName
    principalId: identity.outputs.principalId
    principalType: 'ServicePrincipal'
    holder: 'app'
  }
}

module storageForOperators 'modules/storage-access.bicep' = if (storageIsOurs && !empty(operatorPrincipalId)) {
  scope: group
  name: 'storage-access-operators'
  dependsOn: [
    storageAccount
  ]
  params: {
    accountName: newStorageName
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    holder: 'operator'
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  scope: group
  name: 'network'
  params: {
    name: '${abbreviations.virtualNetwork}${token}'
    securityGroupName: '${abbreviations.networkSecurityGroup}${token}'
    location: location
    tags: tags
    addressPrefix: networkAddressPrefix
  }
}

module privateEndpoints 'modules/private-endpoints.bicep' = if (privateNetwork) {
  scope: group
  name: 'private-endpoints'
  dependsOn: [
    sample
    storageAccount
  ]
  params: {
    namePrefix: abbreviations.privateEndpoint
    token: token
    location: location
    tags: tags
    networkId: network!.outputs.networkId
    subnetId: network!.outputs.endpointSubnetId
    storageId: storageId
    purviewId: purviewId
    workspaces: workspaces
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  name: 'monitoring'
  params: {
    name: '${abbreviations.applicationInsights}${token}'
    logAnalyticsName: '${abbreviations.logAnalytics}${token}'
    existingLogAnalyticsId: existingLogAnalyticsId
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module app 'modules/function-app.bicep' = {
  scope: group
  name: 'function-app'
  // A host that starts before its roles have arrived fails its first minutes; this order makes that unlikely.
  dependsOn: [
    privateEndpoints
    storageContents
    storageForApp
  ]
  params: {
    name: '${abbreviations.functionApp}${token}'
    planName: '${abbreviations.functionPlan}${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    blobEndpoint: blobEndpoint
    queueEndpoint: queueEndpoint
    tableEndpoint: tableEndpoint
    insightsAddress: monitoring.outputs.insightsAddress
    purviewEndpoint: purviewUrl
    purviewCollection: purviewCollection
    switches: switches
    openLineageJobs: openLineageJobs
    scanners: scanners
    ledgerRetentionDays: ledgerRetentionDays
    openLineageOut: openLineageOut
    openLineageScope: openLineageScope
    workspaces: workspaces
    reconcileSchedule: reconcileSchedule
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMB: instanceMemoryMB
    alwaysReadyInstances: alwaysReadyInstances
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    receivesEvents: eventDestination == 'function'
  }
}

module sample 'modules/sample.bicep' = if (deploySample) {
  scope: group
  name: 'sample'
  params: {
    token: token
    abbreviations: abbreviations
    location: location
    tags: tags
    purviewName: sampleNames.purview
    workspaceName: sampleNames.workspace
    createPurview: !purviewIsGiven
    insightsId: monitoring.outputs.insightsId
    operatorAddresses: addresses
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
    storageRedundancy: storageRedundancy
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  name: 'alerts'
  params: {
    actionGroupName: '${abbreviations.actionGroup}${token}'
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    email: alertEmail
    coverageTarget: coverageTarget
    reconcileWindow: reconcileWindow
  }
}

module workbook 'modules/workbook.bicep' = {
  scope: group
  name: 'workbook'
  params: {
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
  }
}

// azd keeps these in its environment. Those of the first group are app settings too, so that the command line works on
// a laptop with `azd env get-values`; the others are for the hooks, `lineage setup` and `lineage doctor`.
@description('Base URL of the catalog.')
output PURVIEW_ENDPOINT string = purviewUrl

@description('Collection for new entities.')
output PURVIEW_COLLECTION string = purviewCollection

@description('Workspaces that events may come from.')
output LINEAGE_WORKSPACES string = join(workspaces, ',')

@description('What holds queue, ledger and dead letters.')
output LINEAGE_STORAGE string = blobEndpoint

@description('How events reach the app.')
output LINEAGE_EVENT_DESTINATION string = eventDestination

@description('ARM id of the function app.')
output LINEAGE_FUNCTION_APP_ID string = app.outputs.id

@description('ARM id of the storage account.')
output LINEAGE_STORAGE_ACCOUNT_ID string = storageId

@description('Whether the storage account is ours, so that its contents and roles are set up already.')
output LINEAGE_STORAGE_IS_OURS bool = storageIsOurs

@description('ARM id of the Purview account.')
output LINEAGE_PURVIEW_ACCOUNT_ID string = purviewId

@description('Object id of the app\'s identity, which reads the workspaces and becomes Data Curator of the collection.')
output LINEAGE_IDENTITY_ID string = identity.outputs.principalId

@description('Names of the topics that workspaces had before, in the order of the workspaces.')
output LINEAGE_GIVEN_TOPIC_NAMES string = join(givenTopics, ',')

@description('Whether only the virtual network leads to storage and Purview.')
output LINEAGE_PRIVATE_NETWORK bool = privateNetwork

@description('Object id of who operates the app; empty for none.')
output LINEAGE_OPERATOR_ID string = operatorPrincipalId

@description('What LINEAGE_OPERATOR_ID is.')
output LINEAGE_OPERATOR_TYPE string = operatorPrincipalType

@description('Names of the workspaces\' system topics, in the order of the workspaces.')
output LINEAGE_TOPIC_NAMES string = join(topicNames, ',')

@description('ARM id of the sample\'s data lake, which `lineage setup --scan` takes; empty without the sample.')
output LINEAGE_SAMPLE_LAKE_ID string = deploySample ? sample!.outputs.lakeId : ''
