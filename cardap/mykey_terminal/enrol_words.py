"""What `mykey terminal enrol` says to the person who sets the terminal up. The wording itself is in `enrol.toml`."""

from __future__ import annotations

import tomllib
from importlib.resources import files


def enrol_words(language: str) -> dict[str, str]:
    """The words by key, and by code of a refusal: in Japanese for `ja` and `ja-Hira`, else in English."""
    texts = tomllib.loads(files("mykey_terminal").joinpath("enrol.toml").read_text(encoding="utf-8"))
    found: dict[str, str] = texts["ja" if language.startswith("ja") else "en"]
    return found
