"""The card's side of GlobalPlatform: SCP03, the issuer security domain, and a card that applications are added to.

Written from the specifications, apart from the reader's side; they share `globalplatform.derivation` only.
"""
