"""Writing our application onto cards: keys, profiles, plans, the journal, and campaigns over many cards.

The secure channel runs here; a terminal only relays APDUs. What the APDUs look like is `mykey_cardap`'s business.
"""
