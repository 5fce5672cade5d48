"""The steps as Azure ML runs them: plain scripts, which share nothing because only their own folder is uploaded."""
