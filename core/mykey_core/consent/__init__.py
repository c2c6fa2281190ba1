"""What a citizen allows a plugin to know, and who may act for whom. Nothing here stores an attribute."""
