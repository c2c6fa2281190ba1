"""Words that must never be in a log: names, addresses and numbers of the synthetic people."""

from __future__ import annotations

import re

from mykey_cardap.emulator import personas
from mykey_core.clock import tokyo_date
from mykey_testkit.clock import ManualClock


def canaries(*names: str) -> dict[str, str]:
    """What must not be said of each persona: name, address, number, as they stand on the card."""
    words: dict[str, str] = {}
    for name in names:
        persona = personas.load(name, tokyo_date(ManualClock().now))
        words |= {
            f"{name}.name": persona.holder.name,
            f"{name}.address": persona.holder.address,
            f"{name}.number": persona.number_a,
        }
    return words


def gives_away(text: str, number: str) -> bool:
    """Whether a short number such as a PIN stands in `text` by itself.

    Four digits are in some port, digest or random word of base64 by chance, once in some thousand runs.
    """
    return re.search(rf"(?<![0-9A-Za-z_-]){re.escape(number)}(?![0-9A-Za-z_-])", text) is not None


def sung(text: str, words: dict[str, str]) -> list[str]:
    """Which canaries are in `text`, by their names."""
    return sorted(name for name, word in words.items() if word and word in text)
