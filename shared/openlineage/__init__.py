"""OpenLineage, the open standard for lineage: our graph as its events, and its events in our graph."""
