"""Changing a file of settings by a page: a proposal with its difference, then the same proposal written and recorded.

A proposal names the state of the file that it was made for; when somebody else has written meanwhile, it is refused.
The history holds differences with secrets left out. What a member means is not decided here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from uuid_utils.compat import uuid7

from mykey_core.administration import events  # noqa: F401 - registers what is appended here
from mykey_core.administration.paging import SIZE, Page, clamped
from mykey_core.administration.tables import configuration_change
from mykey_core.audit.records import append
from mykey_core.errors import ConfigurationError, Refusal
from mykey_core.plugins.grants import difference, write
from mykey_core.storage.database import Database

_NAMES = ("id", "at", "actor", "file", "member", "digest", "difference", "previous")
_COLUMNS = [configuration_change.c[name] for name in _NAMES]
_SECRET = re.compile(r"(://[^:/@\s\"]+:)[^@\s\"]+@")  # the password of an address


class AdministrationRefused(Refusal):
    """Codes: `configuration_changed_meanwhile`, `configuration_unchanged`, and `setting_…`.

    The latter are `setting_unknown`, `setting_invalid` and `setting_by_environment`.
    """


@dataclass(frozen=True, slots=True)
class Proposal:
    """A file as it would be. `digest` is the state that it was made for; `member` what is changed, as a code.

    `previous` is what the member was before, for undoing: empty where the file did not have it.
    """

    file: Path
    member: str
    before: str
    after: str
    previous: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the file before, in hexadecimal digits."""
        return digest_of(self.before).hex()

    @property
    def difference(self) -> str:
        """A unified difference without passwords."""
        return _SECRET.sub(r"\1…@", difference(self.before, self.after, self.file.name))


@dataclass(frozen=True, slots=True)
class Change:
    """A change in the history; one without `previous` is older than undoing."""

    id: UUID
    at: datetime
    actor: str
    file: str
    member: str
    digest: bytes
    difference: str
    previous: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ConfigurationFiles:
    """The files of one municipality's hub, and their history."""

    database: Database
    municipality: str

    def write(self, proposal: Proposal, expected: str, *, actor: str, at: datetime, event: dict[str, Any]) -> UUID:
        """Write the file, note the change and its audit record; `event` has the record's name and further facts.

        `AdministrationRefused` when nothing would change or the file is not the one that was shown.
        """
        if proposal.digest != expected:
            raise AdministrationRefused("configuration_changed_meanwhile")
        if proposal.after == proposal.before:
            raise AdministrationRefused("configuration_unchanged")
        change: UUID = uuid7()
        facts = {"actor": actor, "change": str(change), **event["facts"]}
        try:
            with self.database.writing() as session:
                values = {"id": change, "at": at, "actor": actor, "file": proposal.file.name}
                values |= {"member": proposal.member, "difference": proposal.difference}
                values |= {"previous": dict(proposal.previous)}
                row = insert(configuration_change).values(
                    municipality=self.municipality, digest=digest_of(proposal.after), **values
                )
                session.execute(row)
                append(session, self.municipality, at, event["name"], facts)
                _replace(proposal.file, proposal.after)
        except BaseException:
            if read_text(proposal.file) == proposal.after:
                _replace(proposal.file, proposal.before)  # the commit failed: nobody would know of the change
            raise
        return change

    def history(self, page: int = 1) -> Page[Change]:
        """The changes of all files, the newest first."""
        own = configuration_change.c.municipality == self.municipality
        with self.database.reading() as session:
            total = int(session.execute(select(func.count()).select_from(configuration_change).where(own)).scalar_one())
            number = clamped(page, total)
            wanted = select(*_COLUMNS).where(own).order_by(configuration_change.c.id.desc())
            rows = session.execute(wanted.offset((number - 1) * SIZE).limit(SIZE)).all()
        return Page([_change(row) for row in rows], number, total)

    def change(self, change_id: UUID) -> Change | None:
        """One change of the history."""
        own = (configuration_change.c.municipality == self.municipality, configuration_change.c.id == change_id)
        with self.database.reading() as session:
            row = session.execute(select(*_COLUMNS).where(*own)).first()
        return None if row is None else _change(row)

    def changed_outside(self, path: Path) -> bool:
        """Whether a file that was once changed by a page is not as the page left it."""
        table = configuration_change.c
        own = (table.municipality == self.municipality, table.file == path.name)
        with self.database.reading() as session:
            newest = session.execute(select(table.digest).where(*own).order_by(table.id.desc()).limit(1)).scalar()
        return newest is not None and bytes(newest) != digest_of(read_text(path))


def _change(row: Any) -> Change:
    return Change(*row)


def digest_of(text: str) -> bytes:
    """SHA-256 of a file's text."""
    return hashlib.sha256(text.encode()).digest()


def read_text(path: Path) -> str:
    """The text of a file of settings; `ConfigurationError` when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(path.name, f"it cannot be read ({error.strerror})") from error


def _replace(path: Path, text: str) -> None:
    try:
        write(path, text)
    except OSError as error:
        reason = f"the hub may not write it ({error.strerror}): change the file by hand, or its owner"
        raise ConfigurationError(path.name, reason) from error
