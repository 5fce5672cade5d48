"""Clients of what only people touch: Azure Resource Manager, Event Grid, and the administration of Purview."""
