metadata description = 'The identity that the app is everywhere: towards storage, Azure Machine Learning, Purview and Application Insights.'

@description('Name of the identity.')
param name string

@description('Region.')
param location string

@description('Tags of all resources.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
  tags: tags
}

@description('ARM id of the identity.')
output id string = identity.id

@description('Application id, by which code asks for tokens of this identity.')
output clientId string = identity.properties.clientId

@description('Object id, to which roles are assigned.')
output principalId string = identity.properties.principalId
