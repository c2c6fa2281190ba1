"""Municipalities: their codes, and what is theirs alone."""
