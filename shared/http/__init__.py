"""HTTP to the services: one pooled session, one REST client, and what their errors mean."""
