#!/bin/sh
# Before the templates: what they cannot register themselves. Its twin for Windows is preprovision.ps1; both may be run again at
# any time. On the very first run azd may not have asked for the subscription yet; only a private network needs this then.
set -eu

if [ -n "${AZURE_SUBSCRIPTION_ID:-}" ]; then
    az provider register --subscription "$AZURE_SUBSCRIPTION_ID" --namespace Microsoft.App --wait
    az provider register --subscription "$AZURE_SUBSCRIPTION_ID" --namespace Microsoft.EventGrid --wait
fi
