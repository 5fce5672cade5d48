#!/bin/sh
# After the code: subscribe it to events, prepare the catalog, and prove every link. Its twin for Windows is postdeploy.ps1;
# both may be run again at any time (`azd hooks run postdeploy`), after a failure too.
set -eu

python3 -m venv .venv
.venv/bin/python -m pip install --quiet --constraint requirements-dev.txt --editable ".[cli]"
# Event Grid may not see the function yet, minutes after it was deployed for the first time.
tries=1
until az deployment sub create \
    --subscription "$AZURE_SUBSCRIPTION_ID" \
    --name "events-$AZURE_LOCATION-$AZURE_ENV_NAME" \
    --location "$AZURE_LOCATION" \
    --template-file infra/events.bicep \
    --parameters "workspaceIds=$LINEAGE_WORKSPACES" \
    --parameters "topicNames=$LINEAGE_TOPIC_NAMES" \
    --parameters "eventDestination=$LINEAGE_EVENT_DESTINATION" \
    --parameters "functionAppId=$LINEAGE_FUNCTION_APP_ID" \
    --parameters "storageAccountId=$LINEAGE_STORAGE_ACCOUNT_ID" \
    --output none
do
    [ "$tries" -lt 5 ] || exit 1
    tries=$((tries + 1))
    sleep 30
done
if [ "$LINEAGE_PRIVATE_NETWORK" = "true" ]; then
    echo "Storage and Purview are private. On a machine in the network, run: lineage setup && lineage doctor"
elif .venv/bin/lineage setup; then
    .venv/bin/lineage doctor --links --wait 10
else
    .venv/bin/lineage doctor --links || true
    exit 1
fi
