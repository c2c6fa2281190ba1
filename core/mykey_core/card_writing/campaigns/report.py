"""The report of a campaign: every card in a CSV file, a summary as PDF, and a signed note over the digests of both."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any, Final

from mykey_core.audit.errors import NoteError
from mykey_core.audit.note import NoteSigner, VerifierKey, open_note, sign_note
from mykey_core.card_writing.campaigns.journal import STATES, CardRow, Journal
from mykey_core.card_writing.errors import CampaignError
from mykey_core.card_writing.paper import Paper
from mykey_core.clock import TOKYO
from mykey_core.translations import Catalogue, load_catalogue

CSV_FILE: Final = "results.csv"
PDF_FILE: Final = "report.pdf"
NOTE_FILE: Final = "report.note"
TURNED_AWAY: Final = "turned_away"
_HEAD: Final = "mykey campaign report"
_MOST_EXCEPTIONS: Final = 400


def write_report(folder: Path, journal: Journal, signer: NoteSigner, language: str = "ja") -> Path:
    """Write the three files; returns the signed note."""
    facts = journal.facts()
    counts = journal.count()
    _replace(folder / CSV_FILE, _csv(journal.rows()))
    exceptions = journal.rows(states=[state for state in STATES if state != "done"])
    _replace(folder / PDF_FILE, _pdf(facts, counts, exceptions, language))
    lines = [_HEAD, str(facts["campaign"]), *(f"{state} {counts.get(state, 0)}" for state in STATES)]
    lines += [f"sha256 {_digest(folder / name)} {name}" for name in (CSV_FILE, PDF_FILE)]
    note = folder / NOTE_FILE
    _replace(note, sign_note("\n".join(lines) + "\n", signer).encode())
    return note


def verify_report(folder: Path, key: VerifierKey) -> list[str]:
    """The lines of a report whose signature and digests hold; `CampaignError` otherwise."""
    try:
        lines = open_note((folder / NOTE_FILE).read_text(encoding="utf-8"), [key]).splitlines()
        digests = [line.split(" ", 2)[1:] for line in lines if line.startswith("sha256 ")]
        intact = all(_digest(folder / name) == digest for digest, name in digests)
    except (OSError, NoteError, ValueError) as error:
        raise CampaignError(f"the report does not hold: {error}") from error
    if lines[:1] != [_HEAD] or not intact or {name for _, name in digests} != {CSV_FILE, PDF_FILE}:
        raise CampaignError("the report does not hold: a file was changed")
    return lines


def _replace(path: Path, content: bytes) -> None:
    """A file is there whole or not at all, whenever the process dies."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)


def _csv(rows: Sequence[CardRow]) -> bytes:
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["card", "state", "code", "steps", "attempts", "last_step"])
    writer.writerows([row.number, row.state, row.code, row.steps, row.attempts, row.step] for row in rows)
    return text.getvalue().encode()


def _pdf(facts: Mapping[str, Any], counts: Mapping[str, int], exceptions: Sequence[CardRow], language: str) -> bytes:
    words = load_catalogue("mykey_core.card_writing", "writing")
    paper = Paper(words.get("report.title.simulated" if facts["simulated"] else "report.title", language))
    names = {"campaign": "campaign", "profile_name": "profile", "municipality": "municipality"}
    names |= {name: name for name in ("provider", "generation", "began", "ended", "stopped")}
    paper.rows(
        [(words.get(f"report.{key}", language), _shown(facts[name])) for name, key in names.items() if facts.get(name)],
        widths=(60, 110),
    )
    paper.text(words.get("report.summary", language), size=12)
    table = [(words.get("report.state", language), words.get("report.cards", language))]
    table += [
        (words.get(f"report.state.{state}", language), f"{counts[state]:,}") for state in STATES if counts.get(state)
    ]
    table.append((words.get("report.all", language), f"{sum(counts.values()):,}"))
    paper.rows(table, widths=(110, 60), head=True)
    paper.text(words.get("report.exceptions", language), size=12)
    if exceptions:
        head = [tuple(words.get(f"report.{name}", language) for name in ("number", "state", "code"))]
        body = [
            (row.number, words.get(f"report.state.{row.state}", language), _reason(row.code, words, language))
            for row in exceptions[:_MOST_EXCEPTIONS]
        ]
        paper.rows([*head, *body], widths=(35, 35, 100), head=True)
    else:
        paper.text(words.get("report.none", language))
    if len(exceptions) > _MOST_EXCEPTIONS:
        paper.text(words.get("report.more", language, {"count": len(exceptions) - _MOST_EXCEPTIONS}))
    _turned_away(paper, facts.get(TURNED_AWAY, {}), words, language)
    paper.text(words.get("report.signature", language), size=8)
    return paper.to_bytes()


def _turned_away(paper: Paper, counts: Mapping[str, int], words: Catalogue, language: str) -> None:
    """Cards that were put into a reader and refused before anything was tried; their numbers are not kept."""
    if not counts:
        return
    paper.text(words.get("report.turned_away", language), size=12)
    body = [(_reason(code, words, language), f"{count:,}") for code, count in sorted(counts.items())]
    head = [(words.get("report.code", language), words.get("report.cards", language))]
    paper.rows([*head, *body], widths=(140, 30), head=True)


def _reason(code: str | None, words: Catalogue, language: str) -> str:
    """What a code means, and what to do."""
    key = f"station.{code}"
    return f"{words.get(key, language)} ({code})" if code and words.has(key) else code or ""


def _shown(value: object) -> str:
    """A fact as people read it: times are those of Japan."""
    try:
        return datetime.fromisoformat(str(value)).astimezone(TOKYO).strftime("%Y-%m-%d %H:%M:%S (Asia/Tokyo)")
    except ValueError:
        return str(value)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
