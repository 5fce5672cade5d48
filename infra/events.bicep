metadata description = 'The event subscriptions. Deployed by the hook after the code: Event Grid checks that the function exists.'

targetScope = 'subscription'

@description('ARM ids of the workspaces, separated by commas.')
param workspaceIds string

@description('Name of the system topic of each workspace, separated by commas in the same order.')
param topicNames string

@description('How events reach the app: through its function receive_event, or straight into its queue.')
@allowed([
  'function'
  'queue'
])
param eventDestination string

@description('ARM id of the function app.')
param functionAppId string

@description('ARM id of the storage account with the queue and the container for undelivered events.')
param storageAccountId string

var workspaces = filter(split(workspaceIds, ','), id => !empty(id))
var topics = split(topicNames, ',')

module subscriptions 'modules/event-subscription.bicep' = [
  for (id, index) in workspaces: {
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    name: 'lineage-events-${uniqueString(id)}'
    params: {
      topicName: topics[index]
      eventDestination: eventDestination
      functionAppId: functionAppId
      storageAccountId: storageAccountId
    }
  }
]
