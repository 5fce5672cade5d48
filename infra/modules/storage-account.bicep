metadata description = 'A storage account for queue, ledger, dead letters and the deployed package; access by key is off.'

@description('Name of the account.')
param name string

@description('Region.')
param location string

@description('Tags of all resources.')
param tags object

@description('Whether it can be reached from public networks.')
param publicAccess bool

@description('Public IP addresses that are let in all the same.')
param operatorAddresses array

@description('Redundancy of the account.')
param redundancy string

@description('Days that dead letters and undelivered events are kept after they were replayed.')
param replayedRetentionDays int

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  // checkov:skip=CKV_AZURE_35: the scanner does not follow the condition: Deny in a private network
  // checkov:skip=CKV_AZURE_206: the scanner does not follow the parameter: ZRS by default
  // checkov:skip=CKV_AZURE_43: the scanner does not follow the parameter: 15 lower-case letters and digits
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: publicAccess || !empty(operatorAddresses) ? 'Enabled' : 'Disabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      // Event Grid comes in this way, with the identity of its topic.
      bypass: 'AzureServices'
      defaultAction: publicAccess ? 'Allow' : 'Deny'
      ipRules: [
        for address in operatorAddresses: {
          action: 'Allow'
          value: address
        }
      ]
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 14
    }
    deleteRetentionPolicy: {
      enabled: true
      days: 14
    }
  }
}

// Only what was replayed ever expires: open dead letters and events that were not replayed stay until a person acts.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2024-01-01' = {
  parent: account
  name: 'default'
  dependsOn: [
    blobs
  ]
  properties: {
    policy: {
      rules: [
        {
          name: 'expire-replayed'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                'dead-letters/closed/'
                'eventgrid-deadletter/replayed/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: replayedRetentionDays
                }
              }
            }
          }
        }
      ]
    }
  }
}
