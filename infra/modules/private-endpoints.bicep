metadata description = 'Private endpoints of storage, Purview and the workspaces, and the DNS zones that lead to them.'

@description('What the names of the endpoints begin with.')
param namePrefix string

@description('Makes the names of the endpoints unique.')
param token string

@description('Region.')
param location string

@description('Tags of all resources.')
param tags object

@description('ARM id of the virtual network.')
param networkId string

@description('ARM id of the subnet of the endpoints.')
param subnetId string

@description('ARM id of the storage account.')
param storageId string

@description('ARM id of the Purview account.')
param purviewId string

@description('ARM ids of the workspaces.')
param workspaces array

var storageServices = [
  'blob'
  'queue'
  'table'
]
var storageZones = map(storageServices, service => 'privatelink.${service}.${environment().suffixes.storage}')
// What `environment()` has no suffix for; shared/clouds.py has the same names. Source: private-endpoint-dns of azure-docs.
var otherZones = {
  AzureCloud: {
    purview: 'privatelink.purview.azure.com'
    workspace: 'privatelink.api.azureml.ms'
    notebooks: 'privatelink.notebooks.azure.net'
  }
  AzureUSGovernment: {
    purview: 'privatelink.purview.azure.us'
    workspace: 'privatelink.api.ml.azure.us'
    notebooks: 'privatelink.notebooks.usgovcloudapi.net'
  }
  AzureChinaCloud: {
    purview: 'privatelink.purview.azure.cn'
    workspace: 'privatelink.api.ml.azure.cn'
    notebooks: 'privatelink.notebooks.chinacloudapi.cn'
  }
}[environment().name]
var purviewZones = [otherZones.purview]
var workspaceZones = [otherZones.workspace, otherZones.notebooks]

module zones 'private-dns-zone.bicep' = [
  for zone in concat(storageZones, purviewZones, workspaceZones): {
    name: 'zone-${replace(zone, '.', '-')}'
    params: {
      name: zone
      networkId: networkId
      tags: tags
    }
  }
]

// One after the other: a subnet refuses two operations at once.
@batchSize(1)
module storageEndpoints 'private-endpoint.bicep' = [
  for (service, index) in storageServices: {
    name: 'endpoint-${service}'
    dependsOn: [
      zones
    ]
    params: {
      name: '${namePrefix}${service}-${token}'
      location: location
      tags: tags
      subnetId: subnetId
      targetId: storageId
      groupId: service
      zoneNames: [
        storageZones[index]
      ]
    }
  }
]

module purviewEndpoint 'private-endpoint.bicep' = {
  name: 'endpoint-purview'
  dependsOn: [
    storageEndpoints
    zones
  ]
  params: {
    name: '${namePrefix}purview-${token}'
    location: location
    tags: tags
    subnetId: subnetId
    targetId: purviewId
    groupId: 'account'
    zoneNames: purviewZones
  }
}

@batchSize(1)
module workspaceEndpoints 'private-endpoint.bicep' = [
  for id in workspaces: {
    name: 'endpoint-workspace-${uniqueString(id, token)}'
    dependsOn: [
      purviewEndpoint
      zones
    ]
    params: {
      name: '${namePrefix}workspace-${uniqueString(id, token)}'
      location: location
      tags: tags
      subnetId: subnetId
      targetId: id
      groupId: 'amlworkspace'
      zoneNames: workspaceZones
    }
  }
]
