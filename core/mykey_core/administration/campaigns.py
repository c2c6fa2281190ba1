"""The campaigns whose folders stand in `campaigns_folder`: how far each is, and whether its report holds.

Read only; running a campaign is the business of `mykey campaign` at the card readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from mykey_core.audit.errors import NoteError
from mykey_core.audit.note import VerifierKey
from mykey_core.card_writing.campaigns.journal import FILE, STATES, Journal
from mykey_core.card_writing.campaigns.report import CSV_FILE, NOTE_FILE, PDF_FILE, verify_report
from mykey_core.card_writing.errors import CampaignError

REPORT_FILES = {"pdf": (PDF_FILE, "application/pdf"), "csv": (CSV_FILE, "text/csv"), "note": (NOTE_FILE, "text/plain")}


@dataclass(frozen=True, slots=True)
class CampaignState:
    """One campaign. `counts` has a number of cards for each of `STATES`; `facts` are the journal's own."""

    folder: str
    facts: Mapping[str, Any]
    counts: Mapping[str, int]
    has_report: bool

    @property
    def total(self) -> int:
        """All of its cards."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """Cards that were written."""
        return self.counts["done"]


def campaigns(folder: Path) -> list[CampaignState]:
    """Every campaign whose journal can be read, by the name of its folder."""
    if not folder.is_dir():
        return []
    found = (_state(one) for one in sorted(folder.iterdir()) if (one / FILE).is_file())
    return [one for one in found if one is not None]


def report_file(folder: Path, campaign: str, kind: str) -> tuple[bytes, str, str]:
    """(content, name, media type) of a file of a report; `CampaignError` when there is none of that name."""
    known = {one.folder for one in campaigns(folder)}
    if campaign not in known or kind not in REPORT_FILES:
        raise CampaignError("there is no such report")
    name, media_type = REPORT_FILES[kind]
    try:
        return (folder / campaign / name).read_bytes(), f"{campaign}-{name}", media_type
    except OSError as error:
        raise CampaignError("there is no such report") from error


def report_holds(folder: Path, campaign: str, key_line: str) -> bool:
    """Whether the report is signed by the key that `mykey campaign run` has printed, and no file was changed."""
    try:
        verify_report(folder / campaign, VerifierKey.parse(key_line.strip()))
    except (CampaignError, NoteError, ValueError):
        return False
    return True


def _state(folder: Path) -> CampaignState | None:
    try:
        journal = Journal(folder)
        try:
            counts = journal.count()
            facts = journal.facts()
        finally:
            journal.close()
    except (DBAPIError, CampaignError, ValueError):
        return None
    return CampaignState(
        folder.name, facts, {state: counts.get(state, 0) for state in STATES}, (folder / NOTE_FILE).is_file()
    )
