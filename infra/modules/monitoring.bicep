metadata description = 'Where logs, metrics and traces go: Application Insights over a Log Analytics workspace, without keys.'

@description('Name of the Application Insights component.')
param name string

@description('Name of the Log Analytics workspace to create.')
param logAnalyticsName string

@description('ARM id of a Log Analytics workspace that exists already; empty creates one.')
param existingLogAnalyticsId string

@description('Region.')
param location string

@description('Tags of all resources.')
param tags object

@description('Object id of the identity that sends telemetry.')
param principalId string

// Monitoring Metrics Publisher
var publisherRole = '3913510d-42f4-4e42-8a64-420c390055eb'

resource logAnalytics 'Microsoft.OperationalInsights/workspaces@2023-09-01' = if (empty(existingLogAnalyticsId)) {
  name: logAnalyticsName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: name
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    DisableLocalAuth: true
    IngestionMode: 'LogAnalytics'
    WorkspaceResourceId: empty(existingLogAnalyticsId) ? logAnalytics.id : existingLogAnalyticsId
  }
}

resource publisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, principalId, publisherRole)
  scope: insights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', publisherRole)
  }
}

@description('ARM id of the component.')
output insightsId string = insights.id

@description('Address that telemetry is sent to. It opens nothing: the component takes tokens only.')
output insightsAddress string = insights.properties.ConnectionString
