"""What the workspace's own host answers: run history, artifacts, data."""
