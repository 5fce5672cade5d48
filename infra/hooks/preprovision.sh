#!/bin/sh
# Before the templates: what they cannot register themselves. Its twin for Windows is preprovision.ps1; both may be run again at
# any time.
set -eu

az provider register --subscription "$AZURE_SUBSCRIPTION_ID" --namespace Microsoft.App --wait
az provider register --subscription "$AZURE_SUBSCRIPTION_ID" --namespace Microsoft.EventGrid --wait
