"""Administration below /admin: views over `mykey_core.administration`. Wording is in `translations`."""
