using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param workspaceIds = join(
  map(
    range(0, 20),
    n => '/subscriptions/${n % 3}aaaaaaa-0000-4000-8000-000000000000/resourceGroups/rg-${n % 4}/providers/Microsoft.MachineLearningServices/workspaces/ws_${n}'
  ),
  ','
)
param purviewAccountId = '/subscriptions/aaaaaaaa-0000-4000-8000-000000000001/resourceGroups/rg-data/providers/Microsoft.Purview/accounts/pview-contoso'
