using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param workspaceIds = join(
  [
    '/subscriptions/aaaaaaaa-0000-4000-8000-000000000001/resourceGroups/rg-ml/providers/Microsoft.MachineLearningServices/workspaces/ws1'
    '/subscriptions/bbbbbbbb-0000-4000-8000-000000000002/resourceGroups/rg-ml/providers/Microsoft.MachineLearningServices/workspaces/ws2'
  ],
  ','
)
param purviewAccountId = '/subscriptions/aaaaaaaa-0000-4000-8000-000000000001/resourceGroups/rg-data/providers/Microsoft.Purview/accounts/pview-contoso'
