"""What `lineage doctor` checks: one module for each link between the parts, each yielding checks."""
