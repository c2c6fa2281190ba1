"""The key file under its former name; see `mykey_core.keys`."""

from mykey_core.keys.file import create_keys, load_keys

__all__ = ["create_keys", "load_keys"]
