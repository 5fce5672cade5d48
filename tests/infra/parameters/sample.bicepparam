using '../../../infra/main.bicep'

param environmentName = 'test'
param location = 'westeurope'
param workspaceIds = '/subscriptions/eeeeeeee-0000-4000-8000-000000000005/resourceGroups/rg-ml/providers/Microsoft.MachineLearningServices/workspaces/ws1'
param purviewAccountId = 'none'
param deploySample = true
