#Requires -Version 7.4
# After main.bicep: what is done to resources of others, in a deployment of its own, so that `azd down` leaves their resource
# groups alone. Its twin for other systems is postprovision.sh; both may be run again at any time.
$ErrorActionPreference = "Stop"
$PSNativeCommandUseErrorActionPreference = $true

az deployment sub create `
    --subscription "$env:AZURE_SUBSCRIPTION_ID" `
    --name "links-$env:AZURE_LOCATION-$env:AZURE_ENV_NAME" `
    --location "$env:AZURE_LOCATION" `
    --template-file infra/links.bicep `
    --parameters "environmentName=$env:AZURE_ENV_NAME" `
    --parameters "workspaceIds=$env:LINEAGE_WORKSPACES" `
    --parameters "topicNames=$env:LINEAGE_TOPIC_NAMES" `
    --parameters "givenTopicNames=$env:LINEAGE_GIVEN_TOPIC_NAMES" `
    --parameters "identityId=$env:LINEAGE_IDENTITY_ID" `
    --parameters "operatorPrincipalId=$env:LINEAGE_OPERATOR_ID" `
    --parameters "operatorPrincipalType=$env:LINEAGE_OPERATOR_TYPE" `
    --parameters "storageAccountId=$env:LINEAGE_STORAGE_ACCOUNT_ID" `
    --parameters "storageIsOurs=$env:LINEAGE_STORAGE_IS_OURS" `
    --parameters "eventDestination=$env:LINEAGE_EVENT_DESTINATION" `
    --output none
