metadata description = 'What the identity of a system topic may do in the storage account: leave undelivered events in their container, and no more unless it sends to the queue itself. Never the account, which holds the deployed package.'

@description('Name of the storage account.')
param accountName string

@description('Object id of the topic\'s identity.')
param principalId string

@description('Whether the topic puts events on the queue itself.')
param sends bool

// Storage Blob Data Contributor, Storage Queue Data Message Sender
var contributorRole = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var senderRole = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: accountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' existing = {
  parent: account
  name: 'default'
}

resource undelivered 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  parent: blobs
  name: 'eventgrid-deadletter'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' existing = {
  parent: queues
  name: 'lineage-requests'
}

// The names are those that `lineage setup --workspace` gives the same assignments.
resource leaves 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(undelivered.id, principalId, contributorRole)
  scope: undelivered
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributorRole)
  }
}

resource puts 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (sends) {
  name: guid(queue.id, principalId, senderRole)
  scope: queue
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', senderRole)
  }
}
