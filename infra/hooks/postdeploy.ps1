#Requires -Version 7.4
# After the code: subscribe it to events, prepare the catalog, and prove every link. Its twin for other systems is
# postdeploy.sh; both may be run again at any time (`azd hooks run postdeploy`), after a failure too.
$ErrorActionPreference = "Stop"
$PSNativeCommandUseErrorActionPreference = $true

python -m venv .venv
.venv/Scripts/python -m pip install --quiet --constraint requirements-dev.txt --editable ".[cli]"
# Event Grid may not see the function yet, minutes after it was deployed for the first time.
$tries = 1
while ($true) {
    try {
        az deployment sub create `
            --subscription "$env:AZURE_SUBSCRIPTION_ID" `
            --name "events-$env:AZURE_LOCATION-$env:AZURE_ENV_NAME" `
            --location "$env:AZURE_LOCATION" `
            --template-file infra/events.bicep `
            --parameters "workspaceIds=$env:LINEAGE_WORKSPACES" `
            --parameters "topicNames=$env:LINEAGE_TOPIC_NAMES" `
            --parameters "eventDestination=$env:LINEAGE_EVENT_DESTINATION" `
            --parameters "functionAppId=$env:LINEAGE_FUNCTION_APP_ID" `
            --parameters "storageAccountId=$env:LINEAGE_STORAGE_ACCOUNT_ID" `
            --output none
        break
    } catch {
        if ($tries -ge 5) { throw }
        $tries += 1
        Start-Sleep 30
    }
}
if ($env:LINEAGE_PRIVATE_NETWORK -eq "true") {
    echo "Storage and Purview are private. On a machine in the network, run: lineage setup && lineage doctor"
} else {
    $PSNativeCommandUseErrorActionPreference = $false
    .venv/Scripts/lineage setup
    if ($LASTEXITCODE -eq 0) {
        .venv/Scripts/lineage doctor --links --wait 10
        exit $LASTEXITCODE
    }
    .venv/Scripts/lineage doctor --links
    exit 1
}
