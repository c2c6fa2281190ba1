"""The counter of a town: how clerks find a record, act on it, and ask a second person. No Flask, no wording."""
