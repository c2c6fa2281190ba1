"""The citizen's list of who looked at what and why."""

from __future__ import annotations

import base64
import json
import sqlite3
import string
from contextlib import closing
from datetime import timedelta
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from sqlalchemy import insert, select

from mykey_core.audit.access import access_list, catalogue
from mykey_core.audit.canonical import canonical_json
from mykey_core.audit.cli import audit
from mykey_core.audit.core_events import CORE_EVENTS
from mykey_core.audit.errors import PersonUnknown
from mykey_core.audit.events import EventType, events, register
from mykey_core.audit.keeper import keeper_of
from mykey_core.audit.records import append
from mykey_core.audit.references import references_of_record
from mykey_core.consent.tables import consent_entry
from mykey_core.storage.tables import pairwise
from mykey_core.translations import LANGUAGES
from mykey_library.cli import library
from mykey_testkit.hub import LIBRARY, MUNICIPALITY, HubHarness, sign_challenge


def person_of(hub: HubHarness) -> UUID:
    """The only person that the hub knows."""
    with hub.hub.database.reading() as session:
        own = pairwise.c.municipality == MUNICIPALITY
        found: UUID = session.execute(select(pairwise.c.person_id).where(own).distinct()).scalar_one()
    return found


def linked(hub: HubHarness) -> Any:
    """A terminal at which one citizen was enrolled and came again."""
    terminal = hub.terminal()
    assert terminal.tap("adult", "library-desk", "link", patron_number="10000017")["state"] == "done"
    assert terminal.tap("adult", "library-desk")["state"] == "done"
    return terminal


def test_a_tap_is_in_the_list_at_once(library_hub: HubHarness) -> None:
    """Sealed or not, each tap of the citizen is there, the newest first, once; nobody else's is."""
    terminal = linked(library_hub)
    person = person_of(library_hub)
    hub = library_hub.hub
    before = access_list(hub.database, MUNICIPALITY, person, library_hub.clock())
    assert {entry.index for entry in before} == {None}
    assert {entry.plugin for entry in before} == {"library", None}
    assert "identity.enrolled" in {entry.event for entry in before}
    keeper_of(hub.settings, hub.database, library_hub.clock).tick()
    library_hub.clock.move(timedelta(seconds=5))
    terminal.tap("adult", "library-desk")
    after = access_list(hub.database, MUNICIPALITY, person, library_hub.clock())
    assert [entry.record_id for entry in after[1:]] == [entry.record_id for entry in before]
    assert after[0].index is None
    assert None not in {entry.index for entry in after[1:]}
    assert after[0].at >= after[-1].at
    assert {entry.facts.get("service") for entry in after if entry.plugin} == {"library-desk"}


def test_consents_are_in_the_list(library_hub: HubHarness) -> None:
    """What the core has entered about a person is found by the entry, though the record does not name the person."""
    linked(library_hub)
    person, entry, now = person_of(library_hub), uuid4(), library_hub.clock()
    values = {"id": entry, "person_id": person, "plugin": "library", "purpose": "letters", "act": "granted"}
    more = {"attributes": [], "text_hash": bytes(32), "at": now, "expires_at": None, "actor": "person"}
    facts = {"consent": str(entry), "plugin": "library", "purpose": "letters", "actor": "person"}
    shipped()
    with library_hub.hub.database.writing() as session:
        session.execute(insert(consent_entry).values(municipality=MUNICIPALITY, **values, **more))
        append(session, MUNICIPALITY, now, "consent.granted", facts)
    keeper_of(library_hub.hub.settings, library_hub.hub.database, library_hub.clock).tick()
    found = access_list(library_hub.hub.database, MUNICIPALITY, person, now)
    shown = next(line for line in found if line.event == "consent.granted")
    assert shown.plugin is None
    assert shown.index is not None


def test_nobody_known_has_no_list(library_hub: HubHarness) -> None:
    """An id that the municipality does not know is an error and no empty list."""
    with pytest.raises(PersonUnknown):
        access_list(library_hub.hub.database, MUNICIPALITY, uuid4(), library_hub.clock())


def test_records_hold_no_name_and_no_serial(library_hub: HubHarness) -> None:
    """What the audit of a visit holds is pairwise: no person's id, no serial in any spelling, nothing but ASCII."""
    linked(library_hub)
    person = person_of(library_hub)
    text = json.dumps([record.as_json() for record in library_hub.audit()], ensure_ascii=False)
    der = sign_challenge("adult", {"origin": "https://hub.example.jp", "nonce": "n"})["unverifiedCertificate"]
    serial = x509.load_der_x509_certificate(base64.b64decode(der)).serial_number
    assert '"subject"' in text
    for personal in (str(person), person.hex, str(serial), f"{serial:x}", f"{serial:X}"):
        assert personal not in text
    assert text.isascii()


def shipped() -> list[EventType]:
    """All events that the core registers, wherever that is done."""
    root = Path(str(files("mykey_core")))
    for path in root.rglob("*.py"):
        if "EventType(" in path.read_text(encoding="utf-8"):
            import_module(".".join(["mykey_core", *path.relative_to(root).with_suffix("").parts]))
    register(*CORE_EVENTS)
    return [kind for name, kind in events.items() if not name.startswith("test.")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_event_about_a_person_has_its_wording(language: str) -> None:
    """Each has a text in each language, whose fields are facts that a record about a person always has."""
    texts = catalogue().texts[language]
    about = [kind for kind in shipped() if kind.about]
    assert len(about) > 20
    for kind in about:
        fields = {name for _, name, _, _ in string.Formatter().parse(texts[f"event.{kind.name}"]) if name}
        with_the_person = kind.optional.keys() if "subject" in kind.optional else set()
        assert fields <= kind.required.keys() | with_the_person
    assert {name.removesuffix(".at_counter") for name in texts} == {f"event.{kind.name}" for kind in about}


def test_the_reference_lists_every_event() -> None:
    """docs/reference/audit-log.md names each event, or its family."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "audit-log.md").read_text(encoding="utf-8")
    for kind in shipped():
        assert f"`{kind.name}`" in page or f"`{kind.name.split('.')[0]}.*`" in page


def test_references_are_found_in_the_text_as_in_the_value() -> None:
    """A pairwise id under any name and linked ids are found; other ids, and texts that look like members, are not."""
    one, other, identity = "a" * 43, "b" * 43, str(uuid4())
    facts = {"subject": one, "for": other, "consent": identity, "tap": str(uuid4()), "code": 'x,"subject":"' + "c" * 43}
    assert set(references_of_record(canonical_json(facts))) == {one, other, identity}
    assert references_of_record(canonical_json({"subject": None, "event": "e" * 36, "code": "d" * 44})) == []


@pytest.fixture
def town(tmp_path: Path) -> Any:
    """A hub with SQLite, as `mykey hub init` makes it, where a citizen has been."""
    hub = HubHarness(tmp_path, LIBRARY, ["library-desk"])
    yield hub
    hub.close()


def run(hub: HubHarness, *arguments: str | Path) -> Result:
    """`mykey audit …` with the hub's settings."""
    command, *rest = map(str, arguments)
    return CliRunner().invoke(audit, [command, "--config", str(hub.config), *rest])


def test_the_commands_from_key_to_export(town: HubHarness, tmp_path: Path) -> None:
    """Key, checkpoint, verify, prove, consistency, export, and their checks without the hub's settings."""
    (tmp_path / "log.pub").write_text(run(town, "key").output, encoding="utf-8")
    assert run(town, "checkpoint", "-o", tmp_path / "one").exit_code == 0
    town.terminal()
    assert "sealed 2 records" in run(town, "seal").output
    assert run(town, "checkpoint", "-o", tmp_path / "two").exit_code == 0
    found = run(town, "verify", "--checkpoint", tmp_path / "two", "--key", tmp_path / "log.pub", "--json")
    assert json.loads(found.output)["ok"] is True
    back = json.loads(run(town, "verify", "--checkpoint", tmp_path / "one", "--json").output)
    assert {line["kind"] for line in back["findings"]} == {"inserted"}  # the test's clock is behind the database's
    record = town.audit("terminal.enrolled")[0]
    assert run(town, "prove", str(record.id), "-o", tmp_path / "proof").exit_code == 0
    assert run(town, "consistency", tmp_path / "one", tmp_path / "two", "-o", tmp_path / "grown").exit_code == 0
    assert run(town, "export", "-o", tmp_path / "all").exit_code == 0
    key = ["--key", str(tmp_path / "log.pub")]
    for arguments in (
        ["check-proof", str(tmp_path / "proof"), "--checkpoint", str(tmp_path / "two"), *key],
        ["check-proof", str(tmp_path / "grown"), *key, "--json"],
        ["check-export", str(tmp_path / "all"), *key],
    ):
        result = CliRunner().invoke(audit, arguments)
        assert result.exit_code == 0, result.output
    wrong = CliRunner().invoke(
        audit, ["check-proof", str(tmp_path / "proof"), "--checkpoint", str(tmp_path / "one"), *key]
    )
    assert wrong.exit_code == 1
    assert "another checkpoint" in wrong.output


def test_verify_ends_with_status_1(town: HubHarness, tmp_path: Path) -> None:
    """A change in the file is said in words and in the exit status; so is a checkpoint of another log."""
    run(town, "checkpoint", "-o", tmp_path / "kept")
    with closing(sqlite3.connect(tmp_path / "hub" / "hub.sqlite3")) as connection, connection:
        connection.execute("DROP TRIGGER audit_record_no_update")
        connection.execute("UPDATE audit_record SET at = at + 1")
    result = run(town, "verify", "--checkpoint", tmp_path / "kept")
    assert result.exit_code == 1
    assert "edited 0 record" in result.output
    assert "NOT intact" in result.output
    (tmp_path / "kept").write_text("no note", encoding="utf-8")
    assert "Error: a note is" in run(town, "verify", "--checkpoint", tmp_path / "kept").output


def test_faults_are_sentences(town: HubHarness) -> None:
    """A key that exists, a person or record that does not: a sentence, no traceback."""
    for arguments, words in (
        (["new-key"], "not overwritten"),
        (["access", "--person", str(uuid4())], "no such person"),
        (["prove", str(uuid4())], "no checkpoint covers"),
        (["export"], "no checkpoint covers"),
    ):
        result = run(town, *arguments)
        assert result.exit_code == 1
        assert words in result.output
        assert "Traceback" not in result.output


def test_the_list_is_shown_in_words(town: HubHarness) -> None:
    """`mykey audit access` shows Japanese by default, and JSON with the text on demand."""
    demo = Path(str(files("mykey_library") / "demo"))
    arguments = ["import", "--config", str(town.config), "--patrons", str(demo / "patrons.csv")]
    assert CliRunner().invoke(library, [*arguments, "--items", str(demo / "items.csv")]).exit_code == 0
    linked(town)
    shown = run(town, "access", "--person", str(person_of(town)))
    assert "deskで、カードを使ってlibrary-deskの" in shown.output
    entries = json.loads(run(town, "access", "--person", str(person_of(town)), "--json", "--language", "en").output)
    assert any(entry["text"].startswith("At desk, your card was used") for entry in entries)
