"""Terminals: one-time enrolment codes, device keys, access tokens, and what a terminal may do."""
