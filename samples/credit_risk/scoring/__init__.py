"""What the deployments run: one script for each kind, which share nothing because each is started by its own path."""
