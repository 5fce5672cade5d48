"""What Azure Resource Manager answers about a workspace."""
