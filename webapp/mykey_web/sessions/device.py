"""What a citizen is shown of a browser in the list of sessions: its family and its system, and nothing more exact.

The whole User-Agent would tell devices apart; these codes do not, and they are all that is stored.
"""

from __future__ import annotations

_BROWSERS = (
    ("Edg", "edge"),
    ("OPR", "opera"),
    ("Firefox", "firefox"),
    ("FxiOS", "firefox"),
    ("CriOS", "chrome"),
    ("Chrome", "chrome"),
    ("Safari", "safari"),
)
_SYSTEMS = (
    ("iPhone", "iphone"),
    ("iPad", "ipad"),
    ("Android", "android"),
    ("Windows", "windows"),
    ("Mac OS X", "macos"),
    ("CrOS", "chromeos"),
    ("Linux", "linux"),
)
OTHER = "other"
BROWSERS = frozenset({code for _, code in _BROWSERS} | {OTHER})
SYSTEMS = frozenset({code for _, code in _SYSTEMS} | {OTHER})


def device_of(user_agent: str) -> str:
    """`browser/system` in codes, such as `chrome/windows`."""
    return f"{_first(_BROWSERS, user_agent)}/{_first(_SYSTEMS, user_agent)}"


def _first(known: tuple[tuple[str, str], ...], text: str) -> str:
    return next((code for mark, code in known if mark in text), OTHER)
