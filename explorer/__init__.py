"""A web page on loopback that shows lineage; part of the command line, never deployed."""
