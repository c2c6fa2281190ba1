"""Events that leave a transaction: written with the act, delivered afterwards, at least once."""
