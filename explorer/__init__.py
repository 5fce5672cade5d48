"""A web page on loopback where lineage is looked at; part of the command line, never deployed."""
