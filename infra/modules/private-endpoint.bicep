metadata description = 'A private endpoint of one service, entered into the DNS zones that its names belong to.'

@description('Name of the endpoint.')
param name string

@description('Region.')
param location string

@description('Tags of all resources.')
param tags object

@description('ARM id of the subnet.')
param subnetId string

@description('ARM id of what the endpoint leads to.')
param targetId string

@description('Which of its services: blob, queue, table, account, amlworkspace.')
param groupId string

@description('DNS zones, in this resource group, that the endpoint is entered into.')
param zoneNames array

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: groupId
        properties: {
          privateLinkServiceId: targetId
          groupIds: [
            groupId
          ]
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      for zone in zoneNames: {
        name: replace(zone, '.', '-')
        properties: {
          privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', zone)
        }
      }
    ]
  }
}
