"""The sheet of a key ceremony as PDF: who has to sign what, and check values. It holds no share and no key."""

from __future__ import annotations

from mykey_core.card_writing.keys.ceremony import CeremonyRecord
from mykey_core.card_writing.paper import Paper
from mykey_core.clock import TOKYO
from mykey_core.translations import Catalogue, load_catalogue

_WIDTHS = (60, 110)


def sheet(record: CeremonyRecord, language: str = "ja") -> bytes:
    """The PDF of one ceremony, in Japanese with English beside it."""
    words = load_catalogue("mykey_core.card_writing", "writing")
    paper = Paper(words.get("sheet.title.rehearsal" if record.rehearsal else "sheet.title", language))
    paper.text(words.get("sheet.intro", language))
    paper.rows(_facts(record, words, language), widths=_WIDTHS)
    paper.text(words.get("sheet.check_values", language), size=12)
    paper.rows(_check_values(record, words, language), widths=_WIDTHS)
    paper.text(words.get("sheet.signatures", language), size=12)
    paper.rows(_signatures(record, words, language), widths=(40, 65, 65), head=True)
    return paper.to_bytes()


def _facts(record: CeremonyRecord, words: Catalogue, language: str) -> list[tuple[str, str]]:
    facts = {
        "municipality": record.municipality,
        "generation": str(record.generation),
        "at": record.at.astimezone(TOKYO).strftime("%Y-%m-%d %H:%M (Asia/Tokyo)"),
        "quorum": str(record.quorum),
        "provider": str(record.provider),
    }
    return [(words.get(f"sheet.{name}", language), value) for name, value in facts.items()]


def _check_values(record: CeremonyRecord, words: Catalogue, language: str) -> list[tuple[str, str]]:
    names = ("master", "enc", "mac", "dek")
    pairs = zip(names, record.check_values.lines(), strict=True)
    return [(words.get(f"sheet.kcv.{name}", language), value) for name, value in pairs]


def _signatures(record: CeremonyRecord, words: Catalogue, language: str) -> list[tuple[str, str, str]]:
    head = tuple(words.get(f"sheet.{name}", language) for name in ("role", "name", "signature"))
    custodian = words.get("sheet.custodian", language)
    people = [f"{custodian} {number}" for number in range(1, record.quorum.shares + 1)]
    people += [words.get("sheet.leader", language), words.get("sheet.witness", language)]
    return [(head[0], head[1], head[2]), *((person, "", "") for person in people)]
