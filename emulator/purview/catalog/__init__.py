"""Entities of the catalog: read, written, related, searched."""
