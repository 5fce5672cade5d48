"""What `lineage doctor` checks: one module for each connection, each yielding checks."""
