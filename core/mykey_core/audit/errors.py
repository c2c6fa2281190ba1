"""What the audit log refuses to do.

AuditError
├── AuditSchemaError   an event or fact that is not in the register
├── NoteError          a signed note or checkpoint that cannot be read or trusted
├── ProofError         a proof that is no proof, or that proves something else
├── NotSealed          a record that is not in the log, or not in a checkpoint yet
├── PersonUnknown      the municipality knows no such person
└── LogBroken          the stored log does not fit what was signed before: nothing is signed on top of it
"""

from __future__ import annotations

from mykey_core.errors import MykeyError


class AuditError(MykeyError):
    """Anything of the audit log."""


class AuditSchemaError(AuditError):
    """A record that the register of events does not allow; the message names the fact and never its value."""

    def __init__(self, event: str, fact: str | None, reason: str) -> None:
        place = f"event '{event}'" if fact is None else f"fact '{fact}' of event '{event}'"
        super().__init__(f"{place}: {reason}")
        self.event = event
        self.fact = fact


class NoteError(AuditError):
    """A note is malformed, or no known key has signed it."""


class ProofError(AuditError):
    """A proof is malformed, or does not lead to the root of its checkpoint."""


class LogBroken(AuditError):
    """The stored log is not a continuation of an earlier checkpoint of `size` records."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the log does not continue its checkpoint of {size} records: run `mykey audit verify`")
        self.size = size


class NotSealed(AuditError):
    """There is no such record, or no checkpoint covers it yet."""

    def __init__(self) -> None:
        super().__init__("no checkpoint covers such a record: run `mykey audit checkpoint`, or check the id")


class PersonUnknown(AuditError):
    """The municipality knows no person of this id."""

    def __init__(self) -> None:
        super().__init__("this municipality knows no such person")
