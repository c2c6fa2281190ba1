"""The counter below /counter, for staff: views over `mykey_core.counter`. Wording is in `translations`."""
