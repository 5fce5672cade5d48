using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param workspaceIds = join(
  [
    '/subscriptions/aaaaaaaa-0000-4000-8000-000000000001/resourceGroups/rg-ml/providers/Microsoft.MachineLearningServices/workspaces/ws1'
    '/subscriptions/aaaaaaaa-0000-4000-8000-000000000001/resourceGroups/rg-ml/providers/Microsoft.MachineLearningServices/workspaces/ws2'
  ],
  ','
)
param purviewAccountId = '/subscriptions/aaaaaaaa-0000-4000-8000-000000000001/resourceGroups/rg-data/providers/Microsoft.Purview/accounts/pview-contoso'
param existingStorageAccountId = '/subscriptions/bbbbbbbb-0000-4000-8000-000000000002/resourceGroups/rg-shared/providers/Microsoft.Storage/storageAccounts/stshared'
param existingLogAnalyticsId = '/subscriptions/bbbbbbbb-0000-4000-8000-000000000002/resourceGroups/rg-shared/providers/Microsoft.OperationalInsights/workspaces/log-shared'
param operatorPrincipalId = 'dddddddd-0000-4000-8000-000000000004'
param operatorPrincipalType = 'Group'
