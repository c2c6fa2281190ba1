"""The cab: one ride from the first tap to the record in the terminal's queue, without a network.

Cards, debit keys, journal and queue are the terminal's (docs/reference/headless-terminal.md); here are the rules of a
ride and what a driver sees.
"""
