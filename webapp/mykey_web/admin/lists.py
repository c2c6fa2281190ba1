"""What pages of lists have in common: the number of the page that is asked for, and words to look for."""

from __future__ import annotations

from flask import request

_LONGEST = 100
_DIGITS = 6


def page_number(name: str = "page") -> int:
    """The page that the address asks for, from 1; 1 for anything that is no number."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 1


def wanted(name: str) -> str:
    """A filter out of the address."""
    return request.args.get(name, "").strip()[:_LONGEST]
