"""Links of both kinds behind one interface: taken over, migrated silently, for the family, and ended."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator import personas
from mykey_cardap.kinds import CertificateKind
from mykey_core.consent.delegation import DelegationKind, Delegations
from mykey_core.identity.cli import identity
from mykey_library.cli import library
from mykey_library.links import LinkKind, Links
from mykey_library.rows import Rows
from mykey_testkit.plugin_hub import MakeHub, PluginHub

SERVICE = "library-desk"
MYKEY_ID = "AB12CD34"


@pytest.fixture
def town(make_hub: MakeHub) -> PluginHub:
    """A hub with the sample library."""
    hub = make_hub("library")
    hub.import_library()
    return hub


def _command(hub: PluginHub, *arguments: str, **given: Any) -> Any:
    result = CliRunner().invoke(identity, [*arguments, "--config", str(hub.config)], input=json.dumps(given))
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def _import_links(hub: PluginHub, folder: Path, *lines: str) -> str:
    path = folder / "links.csv"
    path.write_text("\n".join(("mykey_id,number", *lines)), encoding="utf-8")
    result = CliRunner().invoke(library, ["import", "--config", str(hub.config), "--links", str(path)])
    assert result.exit_code == 0, result.output
    return result.output


def _kinds(hub: PluginHub, number: str) -> frozenset[LinkKind]:
    loaded = hub.hub.plugins.plugins["library"]
    with hub.hub.database.writing() as session, hub.hub.plugins.opened(loaded, session) as database:
        return Links(Rows(database)).kinds_of_number(number)


def _person_of(hub: PluginHub, persona: str) -> str:
    own = personas.load(persona, hub.clock.now.date())
    certificate = hub.jpki.certificate(own, CertificateKind.AUTHENTICATION).public_bytes(Encoding.DER)
    return str(_command(hub, "show", certificate=base64.b64encode(certificate).decode())["person"])


def test_a_link_by_mykey_id_leaves_room_for_the_card(town: PluginHub, tmp_path: Path) -> None:
    """A patron taken over from the platform taps a card with the number: both links hold, nobody registers twice."""
    _command(town, "enrol", mykey_id=MYKEY_ID, actor="staff:minato")
    said = _import_links(town, tmp_path, f"{MYKEY_ID},10000017", "ZZZZZZZZ,10000025")
    assert "1 links taken over, 1 of people who are not enrolled" in said
    answer = town.terminal().tap("adult", SERVICE, "link", patron_number="10000017")
    assert answer["result"]["code"] == "library.linked"
    assert _kinds(town, "10000017") == {LinkKind.MYKEY_ID, LinkKind.AUTH_CERTIFICATE}
    other = town.terminal().tap("long-name", SERVICE, "link", patron_number="10000017")
    assert other["result"]["code"] == "library.number_taken"


def test_the_next_tap_migrates_silently(town: PluginHub, tmp_path: Path) -> None:
    """The core knows card and MyKey ID of one person: the first tap finds the account, and adds the card's link."""
    terminal = town.terminal()
    terminal.tap("adult", SERVICE)
    terminal.tap("adult", SERVICE, "link", patron_number="99999999")  # enrols the person, links nothing
    person = _person_of(town, "adult")
    _command(town, "enrol", mykey_id=MYKEY_ID, person=person, actor="staff:minato")
    _import_links(town, tmp_path, f"{MYKEY_ID},10000017")
    assert _kinds(town, "10000017") == {LinkKind.MYKEY_ID}
    assert terminal.tap("adult", SERVICE)["result"]["code"] == "library.welcome"
    assert _kinds(town, "10000017") == {LinkKind.MYKEY_ID, LinkKind.AUTH_CERTIFICATE}


def test_a_parent_borrows_for_a_child_until_the_end_of_the_delegation(town: PluginHub) -> None:
    """With a delegation the parent's visit lends to the child's number; without one, or after its end, it does not."""
    terminal = town.terminal()
    terminal.tap("long-name", SERVICE, "link", patron_number="10000058")
    visit = terminal.tap("adult", SERVICE, "link", patron_number="10000017")["result"]["visit"]["id"]
    fields = {"patron_number": "10000058", "barcode": "A1000001"}
    assert terminal.act(SERVICE, "lend-for", visit, **fields)["result"]["code"] == "library.no_delegation"
    _delegate(town, "long-name", "adult")
    assert terminal.act(SERVICE, "lend-for", visit, **fields)["result"]["code"] == "library.lent"
    town.clock.move(timedelta(minutes=5))
    terminal.sign_in()
    late = {**fields, "barcode": "A1000002"}
    assert terminal.act(SERVICE, "lend-for", visit, **late)["result"]["code"] == "library.no_delegation"


def _delegate(hub: PluginHub, principal: str, delegate: str) -> None:
    from uuid import UUID

    persons = [UUID(_person_of(hub, persona)) for persona in (principal, delegate)]
    with hub.hub.database.writing() as session:
        Delegations(hub.municipality).grant(
            session,
            persons[0],
            persons[1],
            kind=DelegationKind.PARENT,
            plugin="library",
            scope=[SERVICE],
            at=hub.clock.now,
            ends_at=hub.clock.now + timedelta(minutes=4),
            actor="staff:minato",
        )
