"""Refusals towards a terminal (codes: `enrolment_code_invalid`, `terminal_unauthorized`, `public_key_invalid`)."""

from __future__ import annotations

from collections.abc import Sequence

from mykey_core.errors import MykeyError, Refusal


class TerminalRefused(Refusal):
    """The terminal may not do this; `code` says why."""


class ServicePointUnknown(MykeyError):
    """An administrator named a service point that the municipality does not have; `known` are those it has."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        self.known = tuple(known)
        have = ", ".join(known) or "none; make one with `mykey hub service-point`"
        super().__init__(f"there is no service point '{name}' (there are: {have})")
