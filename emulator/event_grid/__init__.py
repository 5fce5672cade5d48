"""Event Grid from the webhook's side: handshake, batches, retries, undelivered events, disorder."""
