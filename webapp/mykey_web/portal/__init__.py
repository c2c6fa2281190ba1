"""The citizen portal and signing in: views over what the core keeps. Wording is in `translations`, domain `portal`."""
