"""What the emulated card stores outside the JPKI application, as pure functions of its holder and keys.

Bytes only: who may read them, counters and commands are the business of `mykey_cardap.emulator.aps`. Nothing
here uses the reader's TLV code, so that a reader test against these bytes proves something.
"""
