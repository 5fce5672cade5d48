"""What the timer does: Azure ML's inventory against the ledger, and the catalog against both."""
