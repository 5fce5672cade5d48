#Requires -Version 7.4
# Before the templates: what they cannot register themselves. Its twin for other systems is preprovision.sh; both may be run
# again at any time. On the very first run azd may not have asked for the subscription yet; only a private network needs this
# then.
$ErrorActionPreference = "Stop"
$PSNativeCommandUseErrorActionPreference = $true

if ($env:AZURE_SUBSCRIPTION_ID) {
    az provider register --subscription "$env:AZURE_SUBSCRIPTION_ID" --namespace Microsoft.App --wait
    az provider register --subscription "$env:AZURE_SUBSCRIPTION_ID" --namespace Microsoft.EventGrid --wait
}
