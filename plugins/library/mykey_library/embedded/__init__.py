"""The circulation store of a library that has no system of its own: it implements `circulation.Circulation`."""

from mykey_library.embedded.store import EmbeddedCirculation

__all__ = ["EmbeddedCirculation"]
