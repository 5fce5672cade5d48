metadata description = 'A private DNS zone that the virtual network asks, so that names of services lead to private endpoints.'

@description('Name of the zone, such as privatelink.blob.core.windows.net.')
param name string

@description('ARM id of the virtual network.')
param networkId string

@description('Tags of all resources.')
param tags object

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: name
  location: 'global'
  tags: tags
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: zone
  name: uniqueString(networkId)
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}
