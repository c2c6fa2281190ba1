"""The applications of the emulated card, a module each: which file, PIN, key and command each of them has.

The bytes of their files come from `mykey_cardap.emulator.contents`; how commands work is in `commands/`.
"""
