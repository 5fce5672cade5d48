"""Pieces of the page, each made anew from what the address asks for."""
