"""The words of `mykey card` in Japanese and English, from `messages.toml`.

Which words belong to which error is decided here; exit codes are in `frame.py`.
"""

from __future__ import annotations

import os
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from mykey_cardap.errors import ApduError, CardError, PinError, ReaderBusyError, ReaderChoiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

Language = Literal["ja", "en"]


class Words:
    """The words of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._table = _catalogue()[language]

    def __call__(self, key: str, /, **values: object) -> str:
        """The sentence `key`, filled in."""
        return str(self._table[key]).format(**values)

    def refusal(self, key: str) -> str:
        """A sentence of the table of errors."""
        return str(self._table["errors"][key])

    def of_error(self, error: CardError) -> str:
        """The sentence for an error: that of its class, or of the nearest class above it that has one."""
        table: Mapping[str, str] = self._table["errors"]
        key = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in table)
        if isinstance(error, PinError) and not error.attempts_remaining:
            key = "PinErrorNowBlocked"
        return table[key].format(**_values(error))


def language_of_environment(environment: Mapping[str, str] = os.environ) -> Language:
    """Japanese when the locale says so (LC_ALL, LC_MESSAGES, LANG, in this order), English otherwise."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return "ja" if value.lower().startswith("ja") else "en"
    return "en"


@cache
def _catalogue() -> dict[str, dict[str, Any]]:
    text = files("mykey_cardap.cli").joinpath("messages.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _values(error: CardError) -> dict[str, object]:
    values: dict[str, object] = {"detail": str(error)}
    if isinstance(error, ApduError):
        values["sw"] = f"{error.sw:04X}"
    if isinstance(error, PinError):
        values["attempts"] = error.attempts_remaining
    if isinstance(error, ReaderChoiceError):
        values["readers"] = ", ".join(error.readers)
    if isinstance(error, ReaderBusyError):
        values["culprits"] = ", ".join(error.culprits) or "?"
    return values
