"""The card's side of our own application: files, transaction and keys in a memory that can be torn at any byte.

Written from `docs/reference/service-application.md`, apart from the reader's side.
"""

from mykey_cardap.emulator.service_application.card_application import ServiceApplication

__all__ = ["ServiceApplication"]
