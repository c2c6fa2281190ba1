"""What somebody with whole dumps of the databases can find out: nothing that joins a person.

Two plugins of one town, and the same plugins in two towns. A value is identifying when not every row of its table has
it; if two dumps share no identifying value, no combination of columns joins their rows either.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import MetaData, Row, select

from mykey_cardap.kinds import CertificateKind
from mykey_testkit.clock import ManualClock

Dump = Mapping[str, list[Row[Any]]]
# What a town has whoever its people are: catalogues, service points, migrations, its own devices.
_NOT_ABOUT_PERSONS = (
    *("library_item", "library_title", "library_branch", "library_policy", "library_patron"),
    *("alembic_version", "service_point", "municipality", "terminal"),
)
_SHORT = 4  # shorter values (a count, a flag, a kind) are shared by too many to tell people apart
# No letter of base64 is in the names: three letters would be in some random id by chance.
_PEOPLE = (
    ("安奈", "adult", date(1980, 2, 17)),
    ("紅子", "phone", date(1991, 6, 3)),
    ("千恵", "renewed", date(1965, 9, 9)),
    ("大介", "former-name", date(2001, 12, 24)),
)


def dump(town: Any) -> Dump:
    """Every row of every table, as an administrator sees it after the first tap of two hours later."""
    now = town.clock.now
    town.clock.move(timedelta(hours=2))
    town.terminal.sign_in().begin("points-desk", "open")
    town.clock.now = now
    metadata = MetaData()
    metadata.reflect(town.hub.engine)
    with town.hub.engine.connect() as connection:
        return {table.name: list(connection.execute(select(table))) for table in metadata.sorted_tables}


def atoms(value: Any) -> Iterator[str]:
    """The single values in a cell: JSON is taken apart, bytes are written in hexadecimal."""
    if isinstance(value, bytes):
        yield value.hex()
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from atoms(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from atoms(part)
    elif value is not None:
        yield from _json_atoms(str(value))


def _json_atoms(text: str) -> Iterator[str]:
    """What stands in a text that is JSON, else the text itself."""
    try:
        parsed = json.loads(text) if text[:1] in {"[", "{"} else None
    except ValueError:
        parsed = None
    if parsed is None:
        yield text
    else:
        yield from atoms(parsed)


def identifying(found: Dump, tables: Iterator[str] | list[str]) -> dict[str, str]:
    """Values that some rows of a table have and others have not, with the column where they stand."""
    values: dict[str, str] = {}
    for name in tables:
        seen: dict[str, int] = defaultdict(int)
        for row in found[name]:
            for atom in {atom for cell in row for atom in atoms(cell)}:
                seen[atom] += 1
        values |= {atom: name for atom, count in seen.items() if count < len(found[name]) and len(atom) >= _SHORT}
    return values


def about_persons(found: Dump) -> list[str]:
    return [name for name in found if not name.startswith(_NOT_ABOUT_PERSONS)]


def live(town: Any, clock: ManualClock, cards: Any) -> None:
    """Everybody joins both services at their own times, some agree to a purpose, somebody moves, somebody renews."""
    for number, card in enumerate(cards):
        clock.move(timedelta(minutes=7))
        town.tap(card, "library-desk", "link", patron_number=town.patrons[number])
        clock.move(timedelta(minutes=11))
        town.tap(card, "points-desk", "join")
        clock.move(timedelta(minutes=5))
        person = town.show(card)["person"]
        town.command("consent", "grant", person=person, plugin="points", purpose="bonus")
        assert town.tap(card, "points-desk", "bonus", sign=True)["result"]["code"] == "points.balance"
    town.happens(town.show(cards[0])["person"], "address_changed")
    assert town.tap(cards[1], "library-desk")["result"]["code"] == "library.welcome"
    town.happens(town.show(cards[3])["person"], "moved_out")
    assert town.tap(cards[3], "library-desk")["code"] == "person_moved_out"


@pytest.fixture
def cards(story_card: Any) -> list[Any]:
    return [
        story_card(name, key, date(2026, 1, 10 + place), person=f"見本　{name}", birth=birth)
        for place, (name, key, birth) in enumerate(_PEOPLE)
    ]


def test_no_dump_joins_a_person(towns: Any, clock: ManualClock, cards: list[Any]) -> None:
    """Neither between two plugins of a town nor between two towns is there a value to join by."""
    home, away = towns
    live(home, clock, cards)
    clock.move(timedelta(minutes=13))
    live(away, clock, cards)
    here, there = dump(home), dump(away)

    library = identifying(here, ["library_link", "library_loan"])
    points = identifying(here, ["points_account"])
    assert library
    assert points
    assert {value: (library[value], points[value]) for value in library.keys() & points.keys()} == {}

    one, other = identifying(here, about_persons(here)), identifying(there, about_persons(there))
    assert len(one) > 100
    shared = {value: (one[value], other[value]) for value in one.keys() & other.keys()}
    assert {
        value: where for value, where in shared.items() if not _is_a_word(value) and not _is_of_the_day(value)
    } == {}


def _is_a_word(value: str) -> bool:
    """Codes of the programs (`tap.done`, `STAFF_COUNTER`, `library-desk`): the same for everybody."""
    return re.fullmatch(r"[A-Za-z]+(?:[-_.: ][A-Za-z0-9:]+)*", value) is not None and len(value) < 32


def _is_of_the_day(value: str) -> bool:
    """What is the same for every card on a day: the certificate policy, the issuer, and the times of the lists."""
    return value.startswith(("1.2.392.", "OU=", "RS256", "crl-file", "until 20", "2026-11-02T00:5"))


def test_no_raw_serial_is_stored(towns: Any, clock: ManualClock, cards: list[Any]) -> None:
    """In no cell, in no form: decimal, hexadecimal in both cases, bytes in both orders. Nor a name or an address."""
    home, _ = towns
    live(home, clock, cards)
    found = dump(home)
    texts = [atom for rows in found.values() for row in rows for cell in row for atom in atoms(cell)]
    blobs = [cell for rows in found.values() for row in rows for cell in row if isinstance(cell, bytes)]
    assert len(blobs) > 10
    for card in cards:
        for kind in CertificateKind:
            serial = card.certificate(kind).serial_number
            raw = serial.to_bytes((serial.bit_length() + 7) // 8, "big")
            decimal = re.compile(rf"(?<!\d)0*{serial}(?!\d)")
            assert not [text for text in texts if decimal.search(text)]
            assert not [text for text in texts if f"{serial:x}" in text.lower().replace(":", "")]
            assert not [blob for blob in blobs if raw in blob or raw[::-1] in blob]
    for secret in ("見本　", "見本町", *[name for name, *_ in _PEOPLE]):
        assert not [text for text in texts if secret in text]


@pytest.mark.parametrize("leak", ["subject", "not_after"])
def test_the_search_finds_a_leak(towns: Any, clock: ManualClock, cards: list[Any], leak: str) -> None:
    """Broken on purpose: one id for two plugins, or the exact end of the certificate; the search sees both."""
    from mykey_core.identity import credentials, people

    home, away = towns
    with pytest.MonkeyPatch.context() as patch:
        if leak == "subject":
            patch.setattr(people, "sector_of", lambda _plugin, _town: "everybody")
        else:
            patch.setattr(credentials, "end_of_year", lambda instant: instant)
        for town in (home,) if leak == "subject" else (home, away):
            clock.move(timedelta(minutes=9))
            live(town, clock, cards)
    here = dump(home)
    if leak == "subject":
        assert identifying(here, ["library_link"]).keys() & identifying(here, ["points_account"]).keys()
    else:
        shared = identifying(here, ["credential"]).keys() & identifying(dump(away), ["credential"]).keys()
        assert {value for value in shared if not _is_a_word(value)}
