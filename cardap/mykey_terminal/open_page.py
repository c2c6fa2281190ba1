"""The private page that leads this computer's browser to the hub's page, with the pairing code that is good now.

A file of mode 0600 and no program argument: other users of the computer can see arguments.
"""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html><html lang="ja"><meta charset="utf-8"><title>mykey</title>
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
"""


def open_page(address: str) -> bytes:
    """The page that leads to `address`."""
    return _PAGE.format(address=escape(address)).encode()
