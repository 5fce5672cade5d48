"""Workspaces of Azure ML, made up at random: what is in them, how the emulator is told, and what is true of them."""
