metadata description = 'The Event Grid system topic of one workspace, in the workspace\'s own resource group and region.'

@description('Name of the workspace.')
param workspaceName string

@description('Name of the topic: a new one, or the one the workspace has already.')
param name string

@description('Tags of all resources.')
param tags object

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' existing = {
  name: workspaceName
}

// A region must be known before a deployment begins; the workspace's is read here and handed to one that begins later.
module topic 'system-topic-in-region.bicep' = {
  name: '${take(name, 50)}-region'
  params: {
    name: name
    location: workspace.location
    tags: tags
    workspaceId: workspace.id
  }
}

@description('Object id of the topic\'s identity, with which it writes to storage.')
output principalId string = topic.outputs.principalId
