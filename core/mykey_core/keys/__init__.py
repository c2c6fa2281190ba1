"""The secret keys of a municipality: who holds them, and what may be asked of them."""
