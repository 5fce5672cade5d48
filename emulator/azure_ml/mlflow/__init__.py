"""The workspace's MLflow."""
