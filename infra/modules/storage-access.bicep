metadata description = 'Roles on the storage account of one principal: the app, or the people who operate it.'

@description('Name of the storage account.')
param accountName string

@description('Object id of the principal.')
param principalId string

@description('What the principal is.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param principalType string

@description('What it does with the account.')
@allowed([
  'app'
  'operator'
])
param holder string

// Each with its id, the same in every tenant. docs/infra.md says who gets which, and why.
var roleIds = {
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

// The host keeps its own state in blobs and needs to own them.
var rolesOf = {
  app: [
    'Storage Blob Data Owner'
    'Storage Queue Data Contributor'
    'Storage Table Data Contributor'
  ]
  operator: [
    'Storage Blob Data Contributor'
    'Storage Queue Data Contributor'
    'Storage Table Data Contributor'
  ]
}

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: accountName
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in rolesOf[holder]: {
    name: guid(account.id, principalId, roleIds[role])
    scope: account
    properties: {
      principalId: principalId
      principalType: principalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[role])
    }
  }
]
