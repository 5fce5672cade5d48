"""A generated catalog of a large company, and the plain graph of it as the truth that answers are compared with."""
