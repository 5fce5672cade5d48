"""The account's collections, and what Purview's administrative services share."""
