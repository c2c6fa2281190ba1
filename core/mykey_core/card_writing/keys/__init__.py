"""Keys of cards: the tree below a town's master keys, who holds the masters, and how they are made.

The keys by which the hub recognises persons are elsewhere (`mykey_core.keys`).
"""
