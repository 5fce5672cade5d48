"""Misbehaviour of the services: scripted, by rate, and the answers that show it."""
