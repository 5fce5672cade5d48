metadata description = 'The alerts that the runbook answers to, each under the name it has there.'

@description('Name of the action group.')
param actionGroupName string

@description('Region.')
param location string

@description('Tags of all resources.')
param tags object

@description('ARM id of the Application Insights component whose data is asked.')
param insightsId string

@description('Where alerts are mailed to; empty only shows them in the portal.')
param email string

@description('Coverage in percent below which an alert fires.')
param coverageTarget int

@description('Time in which at least one tick of reconcile must end without a failure: a few times its schedule.')
@allowed([
  'PT1H'
  'PT6H'
  'P1D'
  'P2D'
])
param reconcileWindow string

var outcomes = 'customMetrics | where name == "lineage.outcomes"'
// The host exports what it ran by itself, whatever the app does. An event needs a minute to be handled, and 15 to be seen here.
var handlers = '"receive_event", "publish_lineage"'
var rules = [
  {
    name: 'dead-letters'
    displayName: 'Alert: dead letters'
    description: 'Something was accepted and could not be published. Runbook: Dead letters.'
    query: '${outcomes} and tostring(customDimensions.outcome) == "dead_lettered" | summarize Total = sum(valueSum)'
    timeAggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
    frequency: 'PT5M'
    window: 'PT15M'
    severity: 2
  }
  {
    name: 'poison-queue'
    displayName: 'Alert: poison queue'
    description: 'Messages wait that the host gave up on. Runbook: Poison queue.'
    query: 'customMetrics | where name == "lineage.poison" | summarize Total = max(value)'
    timeAggregation: 'Maximum'
    operator: 'GreaterThan'
    threshold: 0
    frequency: 'PT15M'
    window: 'PT1H'
    severity: 2
  }
  {
    name: 'coming-back'
    displayName: 'Alert: messages come back'
    description: 'Handling a message fails again and again for a reason that is not the message. Runbook: Messages come back.'
    query: '${outcomes} and tostring(customDimensions.outcome) == "came_back" | summarize Total = sum(valueSum)'
    timeAggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 9
    frequency: 'PT15M'
    window: 'PT1H'
    severity: 2
  }
  {
    name: 'coverage'
    displayName: 'Alert: coverage'
    description: 'Azure Machine Learning holds what the catalog does not show. Runbook: Coverage below target.'
    query: 'customMetrics | where name == "lineage.coverage" | extend workspace = tostring(customDimensions.workspace) | summarize arg_max(timestamp, value) by workspace | summarize Total = min(value)'
    timeAggregation: 'Minimum'
    operator: 'LessThan'
    threshold: coverageTarget
    frequency: 'PT15M'
    window: 'PT1H'
    severity: 3
  }
  {
    name: 'reconciling'
    displayName: 'Alert: reconciling'
    description: 'For an hour, no tick of reconcile has ended without a failure. Runbook: Reconciling fails or is late.'
    query: 'customMetrics | where name == "lineage.ticks" and tostring(customDimensions.outcome) == "ended" | summarize Total = sum(valueSum)'
    timeAggregation: 'Total'
    operator: 'LessThan'
    threshold: 1
    frequency: 'PT15M'
    window: reconcileWindow
    severity: 2
  }
  {
    name: 'lost-lineage'
    displayName: 'Alert: lost lineage'
    description: 'The catalog does not have any more what was written to it. Runbook: Lineage that is wrong, or was deleted in Purview.'
    query: 'customMetrics | where name == "lineage.lost" | summarize arg_max(timestamp, value) | summarize Total = max(value)'
    timeAggregation: 'Maximum'
    operator: 'GreaterThan'
    threshold: 0
    frequency: 'PT15M'
    window: 'PT1H'
    severity: 3
  }
  {
    name: 'unlooked-workspaces'
    displayName: 'Alert: unlooked workspaces'
    description: 'For six hours, a workspace on the allow-list was not looked at. Runbook: Reconciling fails or is late.'
    query: 'customMetrics | where name == "lineage.unlooked" | summarize Total = min(value)'
    timeAggregation: 'Minimum'
    operator: 'GreaterThan'
    threshold: 0
    frequency: 'PT1H'
    window: 'PT6H'
    severity: 3
  }
  {
    name: 'no-events'
    displayName: 'Alert: no events'
    description: 'No event has reached the app for a day. Runbook: No events for a day.'
    query: '${outcomes} and tostring(customDimensions.source) == "event_grid" | summarize Total = sum(valueSum)'
    timeAggregation: 'Total'
    operator: 'LessThan'
    threshold: 1
    frequency: 'PT1H'
    window: 'P1D'
    severity: 3
  }
  {
    name: 'throttling'
    displayName: 'Alert: throttling'
    description: 'Purview or Azure Machine Learning answers 429. Runbook: Throttling.'
    query: 'customMetrics | where name == "lineage.throttles" | summarize Total = sum(valueSum)'
    timeAggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 50
    frequency: 'PT15M'
    window: 'PT15M'
    severity: 3
  }
  {
    name: 'no-telemetry'
    displayName: 'Alert: no telemetry'
    description: 'The app is given events, and reports nothing of what becomes of them. Runbook: No telemetry.'
    query: '${outcomes} | summarize Outcomes = count() | extend Runs = toscalar(union (customMetrics | where name == "faas.invoke_duration" and tostring(customDimensions["faas.name"]) in (${handlers})), (requests | where name has_any (${handlers})) | where timestamp < ago(15m) | count) | project Total = iff(Outcomes == 0 and Runs > 0, 1, 0)'
    timeAggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
    frequency: 'PT15M'
    window: 'PT1H'
    severity: 2
  }
]

resource mail 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'lineage'
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: 'lineage-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: rule.displayName
      description: rule.description
      enabled: true
      severity: rule.severity
      scopes: [
        insightsId
      ]
      evaluationFrequency: rule.frequency
      windowSize: rule.window
      criteria: {
        allOf: [
          {
            query: rule.query
            metricMeasureColumn: 'Total'
            timeAggregation: rule.timeAggregation
            operator: rule.operator
            threshold: rule.threshold
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      autoMitigate: true
      // The tables appear with the first telemetry, and this comes before it.
      skipQueryValidation: true
      actions: {
        actionGroups: empty(email) ? [] : [mail.id]
      }
    }
  }
]
