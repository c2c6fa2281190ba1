"""Notes of card writings that have not come to their end, so that a terminal that was killed tells the hub afterwards.

A note holds the writing's id and nothing of what is written. What is on the card, the card itself tells: at the next
writing the hub reads it and goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mykey_terminal.errors import HubProblemError, TerminalError
from mykey_terminal.files import make_private_directory, read_private, write_private
from mykey_terminal.hub import Hub
from mykey_terminal.problems import problem_of

_NOT_FOUND = 404


class OpenWriting(BaseModel):
    """A writing that was begun here."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    writing_id: str
    operation: str
    plugin: str


class OpenWritings:
    """The notes in one folder, one file each. Durable: a note survives loss of power."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def noted(self, writing: OpenWriting) -> Iterator[None]:
        """Note a writing while the block runs; the note stays when the process dies in it.

        Meanwhile the file is locked, so that another program of this terminal leaves the writing alone.
        """
        make_private_directory(self._folder)
        file = self._file(writing.writing_id)
        write_private(file, writing.model_dump_json().encode())
        with file.open("rb") as stream:
            _lock(stream)
            yield
        file.unlink(missing_ok=True)

    def all(self) -> list[OpenWriting]:
        """Every note. One that cannot be read is skipped: it names no writing."""
        found = []
        for file in sorted(self._folder.glob("*.json")) if self._folder.is_dir() else ():
            try:
                found.append(OpenWriting.model_validate_json(read_private(file)))
            except ValidationError:
                continue
        return found

    def settle(self, hub: Hub, *, language: str | None = None) -> list[dict[str, Any]]:
        """Tell the hub of each noted writing that its card lost its power; how each ended, as JSON.

        A note goes once the hub has said so; while the hub cannot be reached it stays.
        """
        return [self._settle(hub, note, language) for note in self.all()]

    def _settle(self, hub: Hub, note: OpenWriting, language: str | None) -> dict[str, Any]:
        words = {"writing_id": note.writing_id, "operation": note.operation, "plugin": note.plugin}
        if self._is_running(note):
            return {**words, "state": "running"}
        try:
            outcome = hub.card_relay(language=language).give_up(note.writing_id)
        except HubProblemError as error:
            if error.problem.status == _NOT_FOUND:
                self._file(note.writing_id).unlink(missing_ok=True)
            return {**words, "state": error.problem.code}
        except TerminalError as error:
            return {**words, "state": problem_of(error).code}
        if outcome.state != "open":
            self._file(note.writing_id).unlink(missing_ok=True)
        return {**words, "state": outcome.state}

    def _is_running(self, note: OpenWriting) -> bool:
        """Whether a living program of this terminal holds the note."""
        try:
            with self._file(note.writing_id).open("rb") as stream:
                return not _lock(stream)
        except FileNotFoundError:
            return False

    def _file(self, writing_id: str) -> Path:
        # The id comes from the hub; its hash is a file name whatever it contains.
        return self._folder / f"{hashlib.sha256(writing_id.encode()).hexdigest()[:32]}.json"


def _lock(stream: IO[bytes]) -> bool:
    """Lock a file until it is closed; False when somebody else has it. Not on Windows."""
    try:
        import fcntl  # noqa: PLC0415 - Unix only
    except ImportError:  # pragma: no cover - Windows
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
