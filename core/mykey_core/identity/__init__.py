"""Persons, the credentials that prove them, and the pairwise ids under which plugins know them."""
