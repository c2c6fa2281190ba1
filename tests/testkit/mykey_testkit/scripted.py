"""A transport that plays a transcript: it expects these commands, in this order, and gives these answers.

For tests of sessions against transcripts from a specification. It is no card: it knows only its script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ScriptedTransport:
    """A transport from pairs of hexadecimal (command, answer); spaces are ignored, `sent` records commands."""

    def __init__(self, script: Sequence[tuple[str, str]]) -> None:
        self._script = [(bytes.fromhex(command), bytes.fromhex(answer)) for command, answer in script]
        self.sent: list[bytes] = []

    def send_apdu(self, command: bytes) -> bytes:
        """Answer the next command; AssertionError when it is not the expected one or the script is over."""
        assert len(self.sent) < len(self._script), f"unexpected command {command[:5].hex()}"
        expected, answer = self._script[len(self.sent)]
        assert command == expected, f"{expected.hex()} expected, {command.hex()} sent"
        self.sent.append(command)
        return answer

    @property
    def finished(self) -> bool:
        """Whether every command of the script was sent."""
        return len(self.sent) == len(self._script)
