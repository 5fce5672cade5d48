"""Workspaces of Azure ML as pure descriptions: made up at random, seeded into the emulator, and what is true of them."""
