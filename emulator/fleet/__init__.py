"""Generated scenarios: many runs in three workspaces, and one long pipeline."""
