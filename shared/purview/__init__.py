"""Microsoft Purview (Atlas v2) as the product sees it."""
