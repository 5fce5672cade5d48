"""The command line `lineage`: one module for each family of verbs."""
