"""Workspaces of Azure ML, made up at random: what is in them, their seed for the emulator, and what is true of them."""
