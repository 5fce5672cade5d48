#Requires -Version 7.4
# Once the code is deployed: subscribe it to events, prepare the catalog, and prove every link. Its twin for other systems
# is postdeploy.sh; both may be run again at any time (`azd hooks run postdeploy`), after a failure too.
$ErrorActionPreference = "Stop"
$PSNativeCommandUseErrorActionPreference = $true

python -m venv .venv
.venv/Scripts/python -m pip install --quiet --constraint requirements-dev.txt --editable ".[cli]"
az deployment sub create `
    --name "lineage-events-$env:AZURE_ENV_NAME" `
    --location "$env:AZURE_LOCATION" `
    --template-file infra/events.bicep `
    --parameters "topicIds=$env:LINEAGE_TOPIC_IDS" `
    --parameters "eventDestination=$env:LINEAGE_EVENT_DESTINATION" `
    --parameters "functionAppId=$env:LINEAGE_FUNCTION_APP_ID" `
    --parameters "storageAccountId=$env:LINEAGE_STORAGE_ACCOUNT_ID" `
    --output none
.venv/Scripts/lineage setup
.venv/Scripts/lineage doctor --wait 10
