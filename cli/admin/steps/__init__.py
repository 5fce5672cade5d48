"""What `lineage setup` does: one module for each thing that is set up, each yielding steps."""
