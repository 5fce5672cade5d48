metadata description = 'Gives the app the custom read-only role on one workspace.'

@description('Name of the workspace.')
param workspaceName string

@description('Object id of the identity of the app.')
param principalId string

@description('Makes the name of the role unique in the tenant, as in reader-role.bicep.')
param token string

var roleId = subscriptionResourceId(
  'Microsoft.Authorization/roleDefinitions',
  guid(toLower(subscription().id), 'azure-ml-lineage-reader', token)
)

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' existing = {
  name: workspaceName
}

resource reader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, principalId, roleId)
  scope: workspace
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: roleId
  }
}
