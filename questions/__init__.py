"""Questions about lineage, answered from the catalog; one module a question."""
