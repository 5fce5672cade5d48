"""From a resolved run, model or endpoint to the catalog and the ledger: planned, compared, written, noted."""
