#!/bin/sh
# After main.bicep: what is done to resources of others, in a deployment of its own, so that `azd down` leaves their resource
# groups alone. Its twin for Windows is postprovision.ps1; both may be run again at any time.
set -eu

az deployment sub create \
    --subscription "$AZURE_SUBSCRIPTION_ID" \
    --name "links-$AZURE_LOCATION-$AZURE_ENV_NAME" \
    --location "$AZURE_LOCATION" \
    --template-file infra/links.bicep \
    --parameters "environmentName=$AZURE_ENV_NAME" \
    --parameters "workspaceIds=$LINEAGE_WORKSPACES" \
    --parameters "topicNames=$LINEAGE_TOPIC_NAMES" \
    --parameters "givenTopicNames=$LINEAGE_GIVEN_TOPIC_NAMES" \
    --parameters "identityId=$LINEAGE_IDENTITY_ID" \
    --parameters "operatorPrincipalId=$LINEAGE_OPERATOR_ID" \
    --parameters "operatorPrincipalType=$LINEAGE_OPERATOR_TYPE" \
    --parameters "storageAccountId=$LINEAGE_STORAGE_ACCOUNT_ID" \
    --parameters "storageIsOurs=$LINEAGE_STORAGE_IS_OURS" \
    --parameters "eventDestination=$LINEAGE_EVENT_DESTINATION" \
    --output none
