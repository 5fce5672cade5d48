"""The triggers: each decodes its binding and calls one handler."""

CONNECTION = "LineageStorage"
"""App settings with this prefix name the storage account and the identity, or hold Azurite's connection string."""
QUEUE = "lineage-requests"
POISON_QUEUE = "lineage-requests-poison"
