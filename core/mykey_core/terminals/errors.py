"""Refusals towards a terminal (codes: `enrolment_code_invalid`, `terminal_unauthorized`, `public_key_invalid`)."""

from __future__ import annotations

from mykey_core.errors import Refusal


class TerminalRefused(Refusal):
    """The terminal may not do this; `code` says why."""
