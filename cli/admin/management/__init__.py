"""Clients that only the command line needs: Azure Resource Manager, Event Grid, and the administration of Purview."""
