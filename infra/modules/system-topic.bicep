metadata description = 'The Event Grid system topic of one workspace, in the workspace\'s own resource group and region.'

@description('Name of the workspace.')
param workspaceName string

@description('Name of the topic.')
param name string

@description('Whether the workspace has this topic already. It then stays as it is, and must have a system-assigned identity.')
param isGiven bool

@description('Tags of all resources.')
param tags object

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' existing = {
  name: workspaceName
}

resource given 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (isGiven) {
  name: name
}

// A region must be known before a deployment begins; the workspace's is read here and handed to one that begins later.
module topic 'system-topic-in-region.bicep' = if (!isGiven) {
  name: 'lineage-topic-${uniqueString(name)}'
  params: {
    name: name
    location: workspace.location
    tags: tags
    workspaceId: workspace.id
  }
}

@description('Object id of the topic\'s identity, with which it writes to storage.')
output principalId string = isGiven ? given!.identity.principalId : topic!.outputs.principalId
