metadata description = 'The custom role with which the app reads workspaces: what Azure Machine Learning knows, and no credential of a datastore.'

targetScope = 'subscription'

@description('Makes the name of the role unique in the tenant.')
param token string

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(toLower(subscription().id), 'azure-ml-lineage-reader', token)
  properties: {
    // Names of roles are unique in a tenant, and this one is defined in each subscription that has workspaces.
    roleName: 'Azure ML lineage reader ${uniqueString(subscription().id, token)}'
    description: 'Reads runs, assets and endpoints of Azure Machine Learning workspaces; no keys, no data, no writes.'
    type: 'CustomRole'
    assignableScopes: [
      subscription().id
    ]
    permissions: [
      {
        actions: [
          'Microsoft.MachineLearningServices/workspaces/read'
          'Microsoft.MachineLearningServices/workspaces/*/read'
        ]
        // Of all reads the one that is of secrets: with others it could recover those of a v1 environment.
        notActions: [
          'Microsoft.MachineLearningServices/workspaces/metadata/secrets/read'
        ]
      }
    ]
  }
}
