"""The scanning service, and the assets that a scan writes."""
