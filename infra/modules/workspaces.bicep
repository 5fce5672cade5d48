metadata description = 'What each workspace needs, wherever it is: the app may read it, and Event Grid has a topic for it that may write to storage.'

targetScope = 'subscription'

@description('Makes the names of roles and deployments unique.')
param token string

@description('Tags of all resources.')
param tags object

@description('ARM ids of the workspaces.')
param workspaces array

@description('Name of the system topic of each workspace, in the same order.')
param topicNames array

@description('Object id of the identity of the app.')
param principalId string

@description('Name of the storage account.')
param storageName string

@description('Subscription of the storage account.')
param storageSubscription string

@description('Resource group of the storage account.')
param storageGroup string

@description('How events reach the app: function or queue.')
param eventDestination string

// union() drops what is there twice: a subscription gets the custom role once, however many workspaces it has.
var subscriptions = union(map(workspaces, id => toLower(split(id, '/')[2])), [])

module readerRoles 'reader-role.bicep' = [for id in subscriptions: {
  scope: subscription(id)
  name: 'lineage-reader-role-${token}'
  params: {
    token: token
  }
}]

module access 'workspace-access.bicep' = [for id in workspaces: {
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  name: 'lineage-access-${uniqueString(id, token)}'
  params: {
    workspaceName: last(split(id, '/'))
    principalId: principalId
    roleId: readerRoles[indexOf(subscriptions, toLower(split(id, '/')[2]))].outputs.roleId
  }
}]

module topics 'system-topic.bicep' = [for (id, index) in workspaces: {
  scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
  name: 'lineage-topic-${uniqueString(id, token)}'
  params: {
    workspaceName: last(split(id, '/'))
    name: topicNames[index]
    tags: tags
  }
}]

module storageAccess 'storage-access.bicep' = [for (id, index) in workspaces: {
  scope: resourceGroup(storageSubscription, storageGroup)
  name: 'lineage-topic-storage-${uniqueString(id, token)}'
  params: {
    accountName: storageName
    principalId: topics[index].outputs.principalId
    principalType: 'ServicePrincipal'
    // Undelivered events are blobs; the topic writes to the queue only if events go there without the function.
    roles: eventDestination == 'queue' ? [
      'Storage Blob Data Contributor'
      'Storage Queue Data Message Sender'
    ] : [
      'Storage Blob Data Contributor'
    ]
  }
}]
