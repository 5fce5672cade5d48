"""What a workspace holds, and how it is read from a scenario."""
