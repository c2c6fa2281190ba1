"""Challenge and token: the Web eID shaped proof that a card signed our nonce for our origin."""
