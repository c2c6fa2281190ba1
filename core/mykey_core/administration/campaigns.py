"""The campaigns whose folders stand in `campaigns_folder`: how far each is, whether its report holds, holding it.

Running a campaign is the business of `mykey campaign` at the card readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from mykey_core.administration import events  # noqa: F401 - registers what is appended here
from mykey_core.audit.errors import NoteError
from mykey_core.audit.events import NAME
from mykey_core.audit.note import VerifierKey
from mykey_core.audit.records import append
from mykey_core.card_writing.campaigns.hold import hold, is_held, release
from mykey_core.card_writing.campaigns.journal import FILE, STATES, UNFINISHED, Journal
from mykey_core.card_writing.campaigns.report import CSV_FILE, NOTE_FILE, PDF_FILE, verify_report
from mykey_core.card_writing.errors import CampaignError
from mykey_core.errors import ConfigurationError
from mykey_core.storage.session import Session

REPORT_FILES = {"pdf": (PDF_FILE, "application/pdf"), "csv": (CSV_FILE, "text/csv"), "note": (NOTE_FILE, "text/plain")}


@dataclass(frozen=True, slots=True)
class CampaignState:
    """One campaign. `counts` has a number of cards for each of `STATES`; `facts` are the journal's own."""

    folder: str
    facts: Mapping[str, Any]
    counts: Mapping[str, int]
    has_report: bool
    is_held: bool = False

    @property
    def total(self) -> int:
        """All of its cards."""
        return sum(self.counts.values())

    @property
    def left(self) -> int:
        """Cards that are not at an end."""
        return sum(self.counts[state] for state in UNFINISHED)

    @property
    def done(self) -> int:
        """Cards that were written."""
        return self.counts["done"]


def folders(folder: Path) -> list[str]:
    """The names of all campaigns' folders; their journals are not opened."""
    return sorted(one.name for one in folder.iterdir() if (one / FILE).is_file()) if folder.is_dir() else []


def campaign(folder: Path, name: str) -> CampaignState | None:
    """One campaign; None when there is none of that name, or its journal cannot be read."""
    return _state(folder / name) if name in folders(folder) else None


def set_held(
    session: Session, municipality: str, folder: Path, name: str, *, held: bool, at: datetime, actor: str
) -> None:
    """Hold a campaign, or let it go on; nothing when it is so already.

    `CampaignError` when there is none of that name, `ConfigurationError` when the hub may not write its folder.
    """
    if name not in folders(folder):
        raise CampaignError("there is no such campaign")
    if not NAME.accepts(name):
        raise ConfigurationError("campaigns_folder", "rename the campaign's folder: letters, digits, hyphens and dots")
    try:
        changed = hold(folder / name) if held else release(folder / name)
    except OSError as error:
        reason = f"the hub may not write '{name}' ({error.strerror}): give it the right, or stop the run at the readers"
        raise ConfigurationError("campaigns_folder", reason) from error
    if changed:
        event = "admin.campaign_held" if held else "admin.campaign_released"
        append(session, municipality, at, event, {"actor": actor, "campaign": name})


def report_file(folder: Path, campaign: str, kind: str) -> tuple[bytes, str, str]:
    """(content, name, media type) of a file of a report; `CampaignError` when there is none of that name."""
    if campaign not in folders(folder) or kind not in REPORT_FILES:
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
        folder.name, facts, {state: counts.get(state, 0) for state in STATES}, (folder / NOTE_FILE).is_file(),
        is_held(folder),
    )  # fmt: skip
