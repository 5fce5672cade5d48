"""How Purview's scanners name data outside Azure ML: one rule a platform, and the table of them."""
