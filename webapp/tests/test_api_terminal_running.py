"""The real terminal against the real hub over WSGI: configuration, deny list, reports, uploads, revocation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from mykey_core.administration.terminal_list import TerminalQuery, terminals
from mykey_core.keys.pkcs11 import TokenSettings
from mykey_core.terminals.configuration import allow_card, deny_card
from mykey_terminal.clock import system_clock
from mykey_terminal.configuration import ConfigurationStore, verified
from mykey_terminal.device_key import DeviceKey, TerminalKey
from mykey_terminal.enrolment import Enrolment, StateDirectory, enrol
from mykey_terminal.errors import ConfigurationRefusedError, StateError
from mykey_terminal.heartbeat import Heartbeat
from mykey_terminal.hub import Hub as TerminalHub
from mykey_terminal.queue import OfflineQueue, Uploader, UploadRefusedError
from mykey_terminal.running import Upkeep
from mykey_terminal.token_key import TokenDeviceKey, TokenPlace
from mykey_testkit.hub import HubHarness
from mykey_web.cli import hub as hub_command

SERVICE = "library-desk"


@dataclass
class Place:
    """A hub and one terminal of it."""

    harness: HubHarness
    state: StateDirectory
    enrolment: Enrolment
    key: TerminalKey
    hub: TerminalHub
    queue: OfflineQueue

    @property
    def town(self) -> str:
        return self.harness.municipality

    def upkeep(self) -> Upkeep:
        return Upkeep(self.hub, ConfigurationStore(self.state, self.enrolment), self.queue, self.harness.clock)


@pytest.fixture
def place(library_hub: HubHarness, tmp_path: Path) -> Iterator[Place]:
    """An enrolled terminal with its queue."""
    transport = httpx.WSGITransport(app=library_hub.app)
    state = StateDirectory(tmp_path / "terminal")
    code = library_hub.hub.terminals.new_code("desk")
    enrol(library_hub.origin, code, state, name="desk", clock=system_clock, transport=transport)
    enrolment, key = state.load()
    queue = OfflineQueue(state.queue, key, terminal_id=enrolment.terminal_id, clock=library_hub.clock)
    with TerminalHub(enrolment, key, transport=transport) as hub, queue:
        yield Place(library_hub, state, enrolment, key, hub, queue)


def test_a_terminal_that_only_asks_for_tokens_is_not_lost(place: Place) -> None:
    """A request for a token is news for as long as the token lives; after that the terminal is silent everywhere."""
    place.harness.clock.now += timedelta(minutes=4)
    (unheard,) = place.harness.hub.terminal_reports.terminals()
    assert (unheard.last_contact, unheard.is_silent(place.harness.clock.now)) == (None, True)
    place.hub.configuration()
    asked = place.harness.clock.now
    for later, silent in ((timedelta(minutes=5), False), (timedelta(minutes=2), True)):
        place.harness.clock.now += later
        now = place.harness.clock.now
        (state,) = place.harness.hub.terminal_reports.terminals()
        assert (state.last_contact, state.is_silent(now)) == (asked, silent)
        with place.harness.hub.database.reading() as session:
            query = TerminalQuery(state="silent")
            assert (terminals(session, place.harness.municipality, query, now).total == 1) is silent


def test_the_agent_of_a_page_says_that_it_is_there(place: Place) -> None:
    """An idle agent reports: the hub hears of it and of its reader; a hub that refuses it does not end it."""
    place.harness.clock.now += timedelta(minutes=30)
    heartbeat = Heartbeat(place.hub, lambda: "ready", place.harness.clock)
    assert heartbeat.beat()
    (state,) = place.harness.hub.terminal_reports.terminals()
    assert (state.last_contact, state.is_silent(place.harness.clock.now)) == (place.harness.clock.now, False)
    assert state.facts is not None
    assert state.facts["reader"] == "ready"
    place.harness.hub.terminals.revoke(state.id)
    place.harness.clock.now += timedelta(seconds=3)
    assert not heartbeat.beat()


def test_a_round_reports_fetches_and_uploads(place: Place) -> None:
    """One round does all of it: the administrator sees the terminal, and the plugin has decided about the record."""
    record = place.queue.append(SERVICE, {"n": 1})
    upkeep = place.upkeep()
    upkeep.round()
    assert upkeep.condition.problem == ""
    configuration = upkeep.configuration.current
    assert configuration is not None
    assert (configuration.sequence, configuration.services) == (1, frozenset({SERVICE}))
    found = place.queue.find(record.record_id)
    assert found is not None
    assert (found.state, found.receipt is not None) == ("rejected", True)  # the library takes no such record
    (state,) = place.harness.hub.terminal_reports.terminals()
    assert (state.configuration, state.is_silent(place.harness.clock.now)) == (0, False)
    assert state.facts is not None
    assert state.facts["queue"]["pending"] == 1
    upkeep.round()
    assert place.harness.hub.terminal_reports.terminals()[0].configuration == 1


def test_a_denied_card_reaches_the_terminal(place: Place) -> None:
    """The number rises with each change of content and with nothing else; the terminal refuses the alias offline."""
    upkeep = place.upkeep()
    upkeep.round()
    now = place.harness.clock.now
    database = place.harness.hub.database
    database.commit(lambda s: deny_card(s, place.town, "alias-1", reason="lost", at=now, actor="staff:1"))
    upkeep.round()
    upkeep.round()
    current = upkeep.configuration.current
    assert current is not None
    assert (current.sequence, current.denies("alias-1"), current.denies("alias-2")) == (2, True, False)
    again = ConfigurationStore(place.state, place.enrolment).current  # as after a power cut without a network
    assert again == current
    database.commit(lambda s: allow_card(s, place.town, "alias-1", at=now, actor="staff:1"))
    upkeep.round()
    assert upkeep.configuration.sequence == 3
    assert [record.event for record in place.harness.audit("card.denied")] == ["card.denied"]


def test_an_older_configuration_is_refused(place: Place) -> None:
    """Replaying yesterday's answer does not bring a denied card back, also after a restart."""
    store = ConfigurationStore(place.state, place.enrolment)
    old = place.hub.configuration()
    now = place.harness.clock.now
    place.harness.hub.database.commit(
        lambda s: deny_card(s, place.town, "alias-1", reason="lost", at=now, actor="staff:1")
    )
    store.fetch(place.hub)
    for kept in (store, ConfigurationStore(place.state, place.enrolment)):
        with pytest.raises(ConfigurationRefusedError) as caught:
            kept.take(old["configuration"], old["key"])
        assert caught.value.reason == "rollback"


def test_only_the_hubs_signature_counts(place: Place) -> None:
    """Another key, another terminal's document, a changed document: refused."""
    answer = place.hub.configuration()
    store = ConfigurationStore(place.state, place.enrolment)
    head, body, signature = answer["configuration"].split(".")
    for document in (f"{head}.{body[:-2]}AA.{signature}", f"{head}.{body}.{'A' * 86}", "x"):
        with pytest.raises(ConfigurationRefusedError) as caught:
            store.take(document, answer["key"])
        assert caught.value.reason == "signature"
    with pytest.raises(ConfigurationRefusedError) as caught:
        verified(answer["configuration"], DeviceKey.generate().public_jwk, place.enrolment.terminal_id)
    assert caught.value.reason == "signature"
    with pytest.raises(ConfigurationRefusedError) as caught:
        verified(answer["configuration"], answer["key"], "another")
    assert caught.value.reason == "audience"


def test_an_older_terminal_keeps_the_first_key_it_is_shown(place: Place) -> None:
    """Enrolled before there were configurations: the first key is kept, another is refused afterwards."""
    older = place.enrolment.model_copy(update={"configuration_key": None})
    answer = place.hub.configuration()
    ConfigurationStore(place.state, older).take(answer["configuration"], answer["key"])
    store = ConfigurationStore(place.state, older)
    with pytest.raises(ConfigurationRefusedError):
        store.take(answer["configuration"][:-4] + "AAAA", DeviceKey.generate().public_jwk)
    assert store.sequence == 1


def test_a_revoked_terminal_locks_itself(place: Place) -> None:
    """Revoked by the administrator's command: its next round, and every other call of it, is refused."""
    upkeep = place.upkeep()
    upkeep.round()
    arguments = ["revoke-terminal", "--config", str(place.harness.config), place.enrolment.terminal_id]
    result = CliRunner().invoke(hub_command, arguments)
    assert result.exit_code == 0, result.output
    place.harness.clock.move(timedelta(seconds=2))
    upkeep.round()
    assert upkeep.condition.locked
    assert upkeep.condition.problem in {"terminal_not_accepted", "terminal_unauthorized"}
    listed = CliRunner().invoke(hub_command, ["terminals", "--config", str(place.harness.config), "--json"])
    assert [state["state"] for state in json.loads(listed.output)] == ["revoked"]


def test_the_hub_unreachable_is_no_lock(place: Place) -> None:
    """Without a network the terminal goes on; when it is back all is sent once."""
    down = httpx.MockTransport(_unreachable)
    upkeep = place.upkeep()
    upkeep.round()
    with TerminalHub(place.enrolment, place.key, transport=down) as dead:
        upkeep.hub = dead
        place.queue.append(SERVICE, {"n": 1})
        upkeep.round()
        assert (upkeep.condition.problem, upkeep.condition.locked) == ("hub_unreachable", False)
    upkeep.hub = place.hub
    upkeep.round()
    assert (upkeep.condition.problem, place.queue.counts()["pending"]) == ("", 0)


def test_a_copied_disk_is_found_out(place: Place, tmp_path: Path) -> None:
    """Two computers with one identity: the second's records are refused, kept as evidence, and a person is told."""
    twin = tmp_path / "twin" / "queue.sqlite3"
    mine = OfflineQueue(twin, place.key, terminal_id=place.enrolment.terminal_id, clock=place.harness.clock)
    with mine as copied:
        place.queue.append(SERVICE, {"n": 1})
        copied.append(SERVICE, {"n": "other"})
        Uploader(place.hub, place.queue, place.harness.clock).run_once()
        with pytest.raises(UploadRefusedError) as caught:
            Uploader(place.hub, copied, place.harness.clock).run_once()
        assert caught.value.problem.code == "upload_conflict"
        assert copied.counts()["pending"] == 1
    cases = CliRunner().invoke(hub_command, ["uploads", "list", "--config", str(place.harness.config)])
    assert [case["kind"] for case in json.loads(cases.output)] == ["conflict"]


def test_a_hub_that_lost_records_gets_them_again(place: Place) -> None:
    """A back-up of the hub was restored: what it misses comes again from the terminal, which kept it."""
    for number in range(4):
        place.queue.append(SERVICE, {"n": number})
    records = place.queue.pending()
    Uploader(place.hub, place.queue, place.harness.clock).run_once()
    from sqlalchemy import delete, update

    from mykey_core.uploads.tables import upload_chain, upload_record

    own = upload_record.c.municipality == place.town
    with place.harness.hub.database.writing() as session:
        session.execute(delete(upload_record).where(own, upload_record.c.seq >= 2))
        session.execute(update(upload_chain).where(upload_chain.c.municipality == place.town).values(settled_seq=1))
    place.queue.append(SERVICE, {"n": 5})
    Uploader(place.hub, place.queue, place.harness.clock).run_once()
    assert place.queue.counts() == {"pending": 0, "unsettled": 0, "last_seq": 5}
    assert len(records) == 4
    assert place.harness.hub.reconciliation.open_cases() == []


def test_a_service_that_is_not_offered_is_rejected(place: Place) -> None:
    """A record for a service that the point does not have is decided at once and never again."""
    record = place.queue.append("taxi-ride", {"n": 1})
    Uploader(place.hub, place.queue, place.harness.clock).run_once()
    found = place.queue.find(record.record_id)
    assert found is not None
    assert (found.state, found.code) == ("rejected", "service_not_offered")
    assert found.receipt is not None
    assert dataclasses.replace(found, receipt=None).receipt is None


def _unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route", request=request)


def test_a_loan_made_offline_is_lent_at_the_hub(place: Place) -> None:
    """The library's real plugin takes the record; its writes, the record and the receipt are one commit, once."""
    barcode = (files("mykey_library") / "demo" / "items.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[0]
    payload = {"act": "lend", "barcode": barcode, "patron_number": "10000017"}
    record = place.queue.append(SERVICE, payload)
    uploader = Uploader(place.hub, place.queue, place.harness.clock)
    uploader.run_once()
    found = place.queue.find(record.record_id)
    assert found is not None
    assert (found.state, found.code) == ("accepted", "library.lent")
    place.queue.send_again(1, 1)
    uploader.run_once()
    assert place.queue.find(record.record_id) == found
    assert len(place.harness.audit("upload.record")) == 1


@pytest.mark.xdist_group("softhsm")
def test_a_device_key_in_a_token(library_hub: HubHarness, softhsm: TokenSettings, tmp_path: Path) -> None:
    """Enrolled, signed in and recording with a key that never leaves SoftHSM; the folder holds no key."""
    transport = httpx.WSGITransport(app=library_hub.app)
    state = StateDirectory(tmp_path / f"terminal-{id(library_hub)}")
    softhsm.pin_file.parent.chmod(0o700)
    place = TokenPlace(softhsm.module, softhsm.token_label, softhsm.pin_file, label=state.path.name)
    code = library_hub.hub.terminals.new_code("desk")
    enrol(library_hub.origin, code, state, name="desk", clock=system_clock, transport=transport, token=place)
    assert not list(state.path.glob("*.pem"))
    enrolment, key = state.load()
    with TerminalHub(enrolment, key, transport=transport) as hub:
        assert hub.services()["services"]
        with OfflineQueue(state.queue, key, terminal_id=enrolment.terminal_id, clock=library_hub.clock) as queue:
            record = queue.append(SERVICE, {"n": 1})
            Uploader(hub, queue, library_hub.clock).run_once()
            found = queue.find(record.record_id)
    assert found is not None
    assert found.state == "rejected"
    wrong = TokenPlace(softhsm.module, softhsm.token_label, softhsm.pin_file, label="no such key")
    with pytest.raises(StateError):
        TokenDeviceKey(wrong)
