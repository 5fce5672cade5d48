metadata description = 'What is done to resources of others: the app may read the workspaces, each has an Event Grid topic, and topics may write to storage. Deployed by the hook after main.bicep; `azd down` does not know of it.'

targetScope = 'subscription'

@description('Name of the azd environment.')
param environmentName string

@description('ARM ids of the workspaces, separated by commas.')
param workspaceIds string

@description('Name of the system topic of each workspace, separated by commas in the same order.')
param topicNames string

@description('Names of the topics that workspaces had before, separated by commas in the same order, empty for those that had none.')
param givenTopicNames string

@description('Object id of the app\'s identity.')
param identityId string

@description('Object id of the user or group that operates the app; empty for none.')
param operatorPrincipalId string

@description('What operatorPrincipalId is.')
param operatorPrincipalType string

@description('ARM id of the storage account.')
param storageAccountId string

@description('Whether main.bicep created that account, and with it all that is in it.')
param storageIsOurs bool

@description('How events reach the app.')
@allowed([
  'function'
  'queue'
])
param eventDestination string

var tags = {
  'azd-env-name': environmentName
}
var token = uniqueString(identityId)
var workspaces = filter(split(workspaceIds, ','), id => !empty(id))
var topics = split(topicNames, ',')
var givenTopics = split(givenTopicNames, ',')
var storageName = last(split(storageAccountId, '/'))
var storageSubscription = split(storageAccountId, '/')[2]
var storageGroup = split(storageAccountId, '/')[4]
// union() drops what is there twice: a subscription gets the custom role once, however many workspaces it has.
var subscriptions = union(map(workspaces, id => toLower(split(id, '/')[2])), [])

module readerRoles 'modules/reader-role.bicep' = [
  for id in subscriptions: {
    scope: subscription(id)
    name: 'lineage-reader-role-${token}'
    params: {
      token: token
    }
  }
]

module access 'modules/workspace-access.bicep' = [
  for id in workspaces: {
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    name: 'lineage-access-${uniqueString(id, token)}'
    // A role that was just defined is not known everywhere at once; the topics take a while. The dependency names the list and no
    // output of one role: the compiler replaces an index into a list of modules by the index of the loop around it.
    dependsOn: [
      readerRoles
      systemTopics
    ]
    params: {
      workspaceName: last(split(id, '/'))
      principalId: identityId
      token: token
    }
  }
]

module systemTopics 'modules/system-topic.bicep' = [
  for (id, index) in workspaces: {
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    name: 'lineage-topic-${uniqueString(id, token)}'
    params: {
      workspaceName: last(split(id, '/'))
      name: topics[index]
      isGiven: index < length(givenTopics) && !empty(givenTopics[index])
      tags: tags
    }
  }
]

module storageForTopics 'modules/topic-access.bicep' = [
  for (id, index) in workspaces: {
    scope: resourceGroup(storageSubscription, storageGroup)
    name: 'lineage-topic-storage-${uniqueString(id, token)}'
    dependsOn: [
      storageContents
    ]
    params: {
      accountName: storageName
      principalId: systemTopics[index].outputs.principalId
      sends: eventDestination == 'queue'
    }
  }
]

module storageContents 'modules/storage-contents.bicep' = if (!storageIsOurs) {
  scope: resourceGroup(storageSubscription, storageGroup)
  name: 'lineage-storage-contents-${token}'
  params: {
    accountName: storageName
  }
}

module storageForApp 'modules/storage-access.bicep' = if (!storageIsOurs) {
  scope: resourceGroup(storageSubscription, storageGroup)
  name: 'lineage-storage-app-${token}'
  params: {
    accountName: storageName
    principalId: identityId
    principalType: 'ServicePrincipal'
    holder: 'app'
  }
}

module storageForOperators 'modules/storage-access.bicep' = if (!storageIsOurs && !empty(operatorPrincipalId)) {
  scope: resourceGroup(storageSubscription, storageGroup)
  name: 'lineage-storage-operators-${token}'
  params: {
    accountName: storageName
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    holder: 'operator'
  }
}
