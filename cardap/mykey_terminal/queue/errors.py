"""Errors of the queue; they belong to the tree of `mykey_terminal.errors`.

TerminalError
└── QueueError             the queue cannot be used (.path)
    ├── QueueDamagedError  a record does not fit its chain or its signature (.seq)
    └── QueueForeignError  the file belongs to another terminal or another key
UploadRefusedError         the hub stopped the upload (.problem): a person has to look
"""

from __future__ import annotations

from pathlib import Path

from mykey_terminal.errors import HubProblemError, TerminalError


class QueueError(TerminalError):
    """The queue cannot be used; `path` is its file."""

    code = "queue_unusable"

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(f"{message}: {path}")
        self.path = path


class QueueDamagedError(QueueError):
    """Record `seq` does not fit the one before it, or its signature: never write behind it, keep the file."""

    code = "queue_damaged"

    def __init__(self, *, path: Path, seq: int) -> None:
        super().__init__(f"record {seq} of the queue was changed or damaged; keep the file and tell the hub", path=path)
        self.seq = seq


class QueueForeignError(QueueError):
    """The file was begun by another terminal or with another key."""

    code = "queue_foreign"


class UploadRefusedError(HubProblemError):
    """The hub takes no more records of this terminal until a person has looked; the queue keeps them."""
