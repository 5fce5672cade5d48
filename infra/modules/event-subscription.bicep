metadata description = 'Subscribes the app to the events of one workspace. `lineage setup --workspace` makes the same; a test compares them.'

@description('Name of the workspace\'s system topic.')
param topicName string

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

// Named after the storage account, so that two deployments do not take each other's events.
var name = 'lineage-${last(split(storageAccountId, '/'))}'

// By type only: a filter on `data` would have to know how Azure Machine Learning writes its keys, which varies, and
// `data.runStatus StringIn …` would drop the other types, which have no such key.
var byType = {
  isSubjectCaseSensitive: false
  includedEventTypes: [
    'Microsoft.MachineLearningServices.RunCompleted'
    'Microsoft.MachineLearningServices.RunStatusChanged'
    'Microsoft.MachineLearningServices.ModelRegistered'
    'Microsoft.MachineLearningServices.ModelDeployed'
  ]
}

var retryPolicy = {
  maxDeliveryAttempts: 30
  eventTimeToLiveInMinutes: 1440
}

var undelivered = {
  identity: {
    type: 'SystemAssigned'
  }
  deadLetterDestination: {
    endpointType: 'StorageBlob'
    properties: {
      resourceId: storageAccountId
      blobContainerName: 'eventgrid-deadletter'
    }
  }
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource toFunction 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (eventDestination == 'function') {
  parent: topic
  name: name
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    filter: byType
    retryPolicy: retryPolicy
    deadLetterWithResourceIdentity: undelivered
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${functionAppId}/functions/receive_event'
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
  }
}

resource toQueue 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (eventDestination == 'queue') {
  parent: topic
  name: name
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    filter: byType
    retryPolicy: retryPolicy
    deadLetterWithResourceIdentity: undelivered
    deliveryWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: storageAccountId
          queueName: 'lineage-requests'
          queueMessageTimeToLiveInSeconds: -1
        }
      }
    }
  }
}
