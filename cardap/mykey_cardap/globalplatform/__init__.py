"""GlobalPlatform seen from the reader: the secure channel SCP03, keys, and the management of a card's content.

The card's side of all this is `mykey_cardap.emulator.globalplatform`; both share `derivation` and nothing else.
"""
