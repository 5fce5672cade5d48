metadata description = 'A workbook: outcomes, coverage, delay, requests and dead letters over time.'

@description('Region.')
param location string

@description('Tags of all resources.')
param tags object

@description('ARM id of the Application Insights component whose data is shown.')
param insightsId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(insightsId, 'lineage')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    category: 'workbook'
    displayName: 'Azure Machine Learning lineage'
    serializedData: replace(loadTextContent('workbook.json'), 'azure monitor', insightsId)
    sourceId: insightsId
    version: 'Notebook/1.0'
  }
}
