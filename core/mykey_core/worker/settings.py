"""`[jobs]` of the hub's settings: where the queue of jobs stands, and who works on it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

_SCHEMES = ("redis://", "rediss://", "postgresql://")


class JobSettings(BaseModel):
    """`queue` is a file for the embedded queue, or a Redis or PostgreSQL address for one that several hosts share.

    `in_server` lets `mykey hub serve` do the work itself, so that a small town needs one process; with a worker of its
    own set it to false. `threads` jobs run beside each other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    queue: str = "jobs.sqlite3"
    threads: int = Field(default=2, ge=1, le=32)
    in_server: bool = True

    @field_validator("queue")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if "://" in value and not value.startswith(_SCHEMES):
            raise ValueError("it is the name of a file, or begins with redis://, rediss:// or postgresql://")
        return value

    @property
    def is_file(self) -> bool:
        """Whether the queue is embedded."""
        return "://" not in self.queue

    def below(self, folder: Path) -> Self:
        """The settings with the path made absolute."""
        return self.model_copy(update={"queue": str(folder / self.queue)}) if self.is_file else self
