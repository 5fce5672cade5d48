metadata description = 'A virtual network with one subnet the app calls out of, and one for private endpoints.'

@description('Name of the virtual network.')
param name string

@description('Name of the network security group of both subnets.')
param securityGroupName string

@description('Region.')
param location string

@description('Tags of all resources.')
param tags object

@description('Address space of the virtual network, at least a /24.')
param addressPrefix string

resource securityGroup 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: securityGroupName
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'nothing-from-the-internet'
        properties: {
          access: 'Deny'
          direction: 'Inbound'
          priority: 4000
          protocol: '*'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          networkSecurityGroup: {
            id: securityGroup.id
          }
          delegations: [
            {
              name: 'app'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
          networkSecurityGroup: {
            id: securityGroup.id
          }
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}

@description('ARM id of the virtual network.')
output networkId string = network.id

@description('ARM id of the subnet that the app calls out of.')
output appSubnetId string = '${network.id}/subnets/app'

@description('ARM id of the subnet of private endpoints.')
output endpointSubnetId string = '${network.id}/subnets/endpoints'
