"""The test JPKI behind the emulated cards: certification authorities, certificates and CRLs.

Everything is deterministic within an epoch (`mykey_cardap.emulator.epoch`) and made from the shipped keys.
Its organisation is `JPKI-EMU`, never `JPKI`.
"""

from mykey_cardap.emulator.jpki.authority import EmulatedJpki, RevokedSerial
from mykey_cardap.emulator.jpki.profile import POLICIES

__all__ = ["POLICIES", "EmulatedJpki", "RevokedSerial"]
