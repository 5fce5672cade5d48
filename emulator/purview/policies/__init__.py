"""The policy store: roles and who has them in which collection."""
