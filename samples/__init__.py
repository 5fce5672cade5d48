"""Samples: what a user of Azure ML would write, so that there is lineage to look at."""
