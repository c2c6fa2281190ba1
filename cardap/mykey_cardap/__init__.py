"""Everything that speaks to a card: APDUs, transports, the card's own applications, and an emulator of the card.

No database and no web lives here, and nothing here knows about persons, plugins or a hub.
"""
