#!/bin/sh
# Once the code is deployed: subscribe it to events, prepare the catalog, and prove every link. Its twin for Windows is
# postdeploy.ps1; both may be run again at any time (`azd hooks run postdeploy`), after a failure too.
set -eu

python3 -m venv .venv
.venv/bin/python -m pip install --quiet --constraint requirements-dev.txt --editable ".[cli]"
az deployment sub create \
    --name "lineage-events-$AZURE_ENV_NAME" \
    --location "$AZURE_LOCATION" \
    --template-file infra/events.bicep \
    --parameters "topicIds=$LINEAGE_TOPIC_IDS" \
    --parameters "eventDestination=$LINEAGE_EVENT_DESTINATION" \
    --parameters "functionAppId=$LINEAGE_FUNCTION_APP_ID" \
    --parameters "storageAccountId=$LINEAGE_STORAGE_ACCOUNT_ID" \
    --output none
.venv/bin/lineage setup
.venv/bin/lineage doctor --wait 10
