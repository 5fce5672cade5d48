metadata description = 'The event subscriptions. Deployed by the hook after the code: Event Grid checks that the function exists.'

targetScope = 'subscription'

@description('ARM ids of the workspaces\' system topics, separated by commas.')
param topicIds string

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

var topics = filter(split(topicIds, ','), id => !empty(id))

module subscriptions 'modules/event-subscription.bicep' = [for topic in topics: {
  scope: resourceGroup(split(topic, '/')[2], split(topic, '/')[4])
  name: 'lineage-${uniqueString(topic)}'
  params: {
    topicName: last(split(topic, '/'))
    eventDestination: eventDestination
    functionAppId: functionAppId
    storageAccountId: storageAccountId
  }
}]
