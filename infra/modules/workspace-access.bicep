metadata description = 'Gives the app the custom read-only role on one workspace.'

@description('Name of the workspace.')
param workspaceName string

@description('Object id of the identity of the app.')
param principalId string

@description('ARM id of the role.')
param roleId string

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
