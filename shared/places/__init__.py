"""Data outside Azure ML: one class a platform says how its URIs are read and what Purview and OpenLineage call it."""
