metadata description = 'An Event Grid system topic with an identity.'

@description('Name of the topic.')
param name string

@description('Region of the workspace.')
param location string

@description('Tags of all resources.')
param tags object

@description('ARM id of the workspace.')
param workspaceId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: workspaceId
    topicType: 'Microsoft.MachineLearningServices.Workspaces'
  }
}

@description('Object id of the topic\'s identity.')
output principalId string = topic.identity.principalId
