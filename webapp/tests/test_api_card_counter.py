"""The card counter beyond one writing: taps at a gate, several hub processes, release, shared towns, floor, plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from mykey_cardap.errors import CardRemovedError
from mykey_core.card_writing.counter import GATE, RIGHT
from mykey_core.card_writing.keys.generations import Generations
from mykey_core.card_writing.keys.software import load_card_keys
from mykey_core.card_writing.profiles import DEMO
from mykey_core.card_writing.slot_proofs import card_alias
from mykey_core.card_writing.tables import card_tap, card_turn, card_writing, card_writing_step, known_card
from mykey_core.identity.rekey import Rekeying
from mykey_core.keys.provider import Purpose
from mykey_terminal.configuration import verified
from mykey_terminal.errors import HubProblemError
from mykey_terminal.hub_http import API
from mykey_terminal.problems import Problem
from mykey_terminal.relay import CardRelay, WritingOutcome
from mykey_testkit.card_writing import MASTERS, OTHER_TOWN, EmulatedCard, Reader, pulled_after, pulled_before
from mykey_testkit.hub import MUNICIPALITY, HubHarness, TerminalClient
from mykey_web.app import create_app

COMMIT, AUTHENTICATE, DEACTIVATE = 0xC8, 0x82, 0x04
ORDER: dict[str, Any] = {
    "operation": "write",
    "plugin": "library",
    "values": {"number": "A-0001", "valid_until": "2030-03-31", "class": 3},
    "value": 500,
    "rides": 4,
    "period": 1,
}
RIDE = {"plugin": "library", "kind": "ride", "total": 200, "amount": 100}


class Http:
    """A terminal's connection over WSGI; `clients` take the requests in turn, as processes behind a balancer do."""

    def __init__(self, *clients: TerminalClient) -> None:
        self.clients = list(clients)

    def post(self, path: str, body: dict[str, Any], *, language: str | None = None) -> dict[str, Any]:
        return self._answer(self._next().post(path.removeprefix(API), body, **{"Accept-Language": language or "en"}))

    def get(self, path: str, *, language: str | None = None) -> dict[str, Any]:
        del language
        return self._answer(self._next().get(path.removeprefix(API)))

    def _next(self) -> TerminalClient:
        self.clients.append(self.clients.pop(0))
        return self.clients[-1]

    @staticmethod
    def _answer(response: Any) -> dict[str, Any]:
        document: dict[str, Any] = response.get_json()
        if response.status_code >= 400:
            raise HubProblemError(Problem.from_json(response.status_code, document))
        return document


@pytest.fixture
def town(library_hub: HubHarness) -> HubHarness:
    """A hub with master keys of two generations, a counter, a gate, and a plugin that has the demo profile."""
    hub = library_hub.hub
    keys = load_card_keys(hub.settings.card_writing.keys_file)
    keys.add_master(1, MASTERS[1])
    with hub.database.writing() as session:
        Generations(MUNICIPALITY).add(session, 1, keys, hub.clock())
    hub.terminals.define_service_point("cards", {"ja": "窓口", "en": "Counter"}, [RIGHT])
    hub.terminals.define_service_point("gate", {"ja": "改札", "en": "Gate"}, [GATE])
    context = hub.plugins.plugins["library"].context
    object.__setattr__(context, "manifest", context.manifest.model_copy(update={"card_profile": DEMO}))
    return library_hub


@pytest.fixture
def counter(town: HubHarness) -> Http:
    return Http(town.terminal("cards"))


@pytest.fixture
def gate(town: HubHarness) -> Http:
    return Http(town.terminal("gate"))


def configured(town: HubHarness, **changes: Any) -> None:
    settings = town.hub.settings.card_writing.model_copy(update=changes)
    object.__setattr__(town.hub.settings, "card_writing", settings)


def write(http: Http, card: EmulatedCard | Reader, **changes: Any) -> WritingOutcome:
    transport = card if isinstance(card, Reader) else card.insert()
    return CardRelay(http, pause=lambda _: None).write(transport, {**ORDER, **changes})


def bare(http: Http, card: EmulatedCard | Reader, operation: str, **more: Any) -> WritingOutcome:
    return write(http, card, operation=operation, plugin="", values={}, value=0, rides=0, period=0, **more)


def bare_service(http: Http, card: EmulatedCard | Reader, operation: str, **more: Any) -> WritingOutcome:
    return write(http, card, operation=operation, values={}, value=0, rides=0, period=0, **more)


def ride(http: Http, card: EmulatedCard | Reader, **changes: Any) -> WritingOutcome:
    transport = card if isinstance(card, Reader) else card.insert()
    return CardRelay(http, pause=lambda _: None).tap(transport, {**RIDE, **changes})


def code(outcome: WritingOutcome) -> str:
    return str((outcome.problem or {}).get("code"))


def column(town: HubHarness, what: Any) -> list[Any]:
    with town.hub.database.reading() as session:
        return list(session.execute(select(what).where(what.table.c.municipality == MUNICIPALITY)).scalars())


def at_commit(fault: Callable[[bytes, Callable[[bytes], bytes]], bytes], card: EmulatedCard) -> Reader:
    """The card at the gate fails at COMMIT, which is the sixth APDU: select, two to authenticate, state, commit."""
    probe = Reader(card.insert())
    return Reader(probe.card, 4, fault)


# -- taps -----------------------------------------------------------------------------------------------------------


def test_a_ride_is_committed_on_the_card_and_its_mac_checked(counter: Http, gate: Http, town: HubHarness) -> None:
    """Five APDUs; the card's own counter, rides and money; journal and audit have it, without the serial."""
    card = EmulatedCard()
    write(counter, card)
    reader = Reader(card.insert())
    done = ride(gate, reader)
    assert done.state == "done"
    expected = {"transaction": 1, "value": 400, "rides_left": 3, "rides_used": 1, "period": 1, "recovered": False}
    assert done.result == expected
    assert len(reader.commands) == 5
    assert column(town, card_tap.c.state) == ["done"]
    record = town.audit("card_tap.ended")[-1]
    assert record.facts["state"] == "done"
    assert card.serial.hex() not in str(record.facts)


def test_only_a_gate_taps_and_what_the_card_forbids_is_worded(counter: Http, gate: Http) -> None:
    """Another place, a card without the service, a ride too dear, a suspended service: refused, nothing committed."""
    card = EmulatedCard()
    with pytest.raises(HubProblemError) as refused:
        ride(counter, card)
    assert refused.value.problem.code == "card_gate_only"
    assert code(ride(gate, card)) == "service_not_on_card"
    write(counter, card)
    assert code(ride(gate, card, total=9_000, amount=9_000)) == "tap_refused_by_card"
    bare_order = {"values": {}, "value": 0, "rides": 0, "period": 0}
    assert write(counter, card, operation="suspend", **bare_order).state == "done"
    assert code(ride(gate, card)) == "service_not_usable"
    before = card.commits()
    assert code(ride(gate, card)) == "service_not_usable"
    assert card.commits() == before


@pytest.mark.parametrize("fault", [pulled_after, pulled_before])
def test_a_ride_without_an_answer_counts_once(counter: Http, gate: Http, town: HubHarness, fault: Any) -> None:
    """Pulled around COMMIT: unknown; the next tap of the same card finds out, and no ride is counted twice."""
    card = EmulatedCard()
    write(counter, card)
    torn = ride(gate, at_commit(fault, card))
    assert (torn.state, code(torn)) == ("unknown", "card_tap_unknown")
    again = ride(gate, card)
    assert again.result is not None
    assert (again.state, again.result["rides_left"], again.result["recovered"]) == ("done", 3, fault is pulled_after)
    assert column(town, card_tap.c.state) == ["done"]
    assert ride(gate, card).result is not None
    assert sorted(column(town, card_tap.c.sequence)) == [1, 2]


def test_another_gate_settles_the_doubt_and_counts_its_own_ride(counter: Http, gate: Http, town: HubHarness) -> None:
    """The doubt of one gate is settled by the card; the ride at the other is a ride of its own."""
    card = EmulatedCard()
    write(counter, card)
    ride(gate, at_commit(pulled_before, card))
    other = ride(Http(town.terminal("gate")), card)
    assert other.result is not None
    assert (other.result["rides_left"], other.result["recovered"]) == (3, False)
    assert sorted(column(town, card_tap.c.state)) == ["done", "void"]


def test_a_forged_receipt_is_not_settled(
    counter: Http, gate: Http, town: HubHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A MAC that the card's own key did not make: refused, and the card is put aside."""
    card = EmulatedCard()
    write(counter, card)
    from mykey_core.card_writing.keys.software import SoftwareCardKeys

    monkeypatch.setattr(SoftwareCardKeys, "transaction_mac", lambda *_: bytes(8))
    assert code(ride(gate, card)) == "card_tampered"
    assert column(town, card_tap.c.state) == ["refused"]
    monkeypatch.undo()
    assert code(ride(gate, card)) == "card_quarantined"


# -- several processes ----------------------------------------------------------------------------------------------


def second_process(town: HubHarness, client: TerminalClient) -> TerminalClient:
    """The same terminal at another process of the hub: an application and a counter of its own, one database."""
    other = client.another()
    other._http = create_app(town.hub).test_client()
    return other


def test_a_writing_goes_on_whichever_process_gets_the_request(town: HubHarness) -> None:
    """Requests alternate between two processes; each command reaches the card once, and nothing stays in the box."""
    client = town.terminal("cards")
    http = Http(client, second_process(town, client))
    card = EmulatedCard()
    reader = Reader(card.insert())
    assert write(http, reader).state == "done"
    secured = [command for command in reader.commands if command[0] & 0x04]
    assert len(set(secured)) == len(secured)
    assert card.commits() == (2, 6)
    assert column(town, card_turn.c.request) == []


def test_a_dead_process_is_told_and_the_next_writing_goes_on(town: HubHarness) -> None:
    """Its lease runs out: `writing_ended` with what to do; a new writing of the same card finishes the work."""
    client = town.terminal("cards")
    begun = client.post("/card-writings", ORDER).get_json()
    other = Http(second_process(town, client))
    with town.hub.database.writing() as session:
        past = town.hub.clock() - timedelta(seconds=1)
        own = card_writing.c.municipality == MUNICIPALITY
        session.execute(update(card_writing).where(own).values(lease_until=past))
    relay = CardRelay(other)
    with pytest.raises(HubProblemError) as ended:
        relay.resume(EmulatedCard().insert(), begun["writing_id"])
    assert ended.value.problem.code == "writing_ended"
    assert relay.find(begun["writing_id"]).state == "unknown"
    assert write(other, EmulatedCard()).state == "done"


def test_a_killed_terminal_closes_its_writing(counter: Http, town: HubHarness) -> None:
    """`give_up` says that the card lost its power: the journal has the doubt, and the next writing resolves it."""
    card = EmulatedCard()
    relay = CardRelay(counter)
    begun = relay.begin(ORDER)

    class Killed(Exception):
        pass

    def kill(command: bytes, way: Callable[[bytes], bytes]) -> bytes:
        way(command)
        raise Killed

    with pytest.raises(Killed):
        relay.resume(Reader(card.insert(), 9, kill), begun.writing_id)
    closed = relay.give_up(begun.writing_id)
    assert (closed.state, code(closed)) == ("unknown", "card_pulled")
    assert "unknown" in column(town, card_writing_step.c.state)
    assert write(counter, card).state == "done"
    assert set(column(town, card_writing_step.c.state)) == {"done"}
    assert card.commits() == (2, 6)


# -- quarantine, shared towns, floor, epochs ------------------------------------------------------------------------


def quarantined(http: Http, card: EmulatedCard) -> str:
    """One refused proof puts the card aside; the id of that writing."""
    write(http, card)
    probe = Reader(card.insert())
    write(http, probe)
    at = [command[1] for command in probe.commands].index(AUTHENTICATE)
    outcome = write(http, Reader(card.insert(), at, lambda command, way: way(command[:-1] + bytes((command[-1] ^ 1,)))))
    assert outcome.state == "quarantined"
    return outcome.writing_id


def test_release_from_quarantine_takes_two_people_with_one_evidence(town: HubHarness, counter: Http) -> None:
    """The first asks, may not agree with itself; another evidence begins anew; the second person releases."""
    configured(town, four_eyes=frozenset({"release"}))
    card = EmulatedCard()
    writing = quarantined(counter, card)
    first, second = CardRelay(counter), CardRelay(Http(town.terminal("cards")))
    assert first.release(writing, "terminal-fault") == "asked"
    with pytest.raises(HubProblemError) as refused:
        first.release(writing, "terminal-fault")
    assert refused.value.problem.code == "approval_by_another"
    assert code(write(counter, card)) == "card_quarantined"
    assert second.release(writing, "card-examined") == "asked"
    assert first.release(writing, "card-examined") == "released"
    assert write(counter, card).state == "done"
    record = town.audit("card_writing.released")[-1]
    assert record.facts["by"] != record.facts["approved_by"]
    with pytest.raises(HubProblemError) as refused:
        second.release(writing, "card-examined")
    assert refused.value.problem.code == "release_not_needed"


def denied(http: Http) -> frozenset[str]:
    """What a terminal without a network refuses after it has fetched and checked its configuration."""
    client = http.clients[0]
    answer = http.get(f"{API}/terminal/configuration")
    return verified(answer["configuration"], answer["key"], client.enrolment["terminal_id"]).denied


def alias(town: HubHarness) -> str:
    return card_alias(town.hub.people.keys, "library", MUNICIPALITY, EmulatedCard().serial)


def test_a_suspended_card_is_refused_offline_until_it_is_resumed(town: HubHarness, counter: Http, gate: Http) -> None:
    """Every terminal's next configuration denies the card's alias in that service, and allows it after resuming."""
    card = EmulatedCard()
    write(counter, card)
    assert denied(gate) == frozenset()
    assert bare_service(counter, card, "suspend", dry_run=True).state == "done"
    assert denied(gate) == frozenset()
    assert bare_service(counter, card, "suspend").state == "done"
    assert bare_service(counter, card, "suspend").state == "done"
    assert denied(gate) == {alias(town)}
    assert bare_service(counter, card, "resume", dry_run=True).state == "done"
    assert denied(gate) == {alias(town)}
    probe = Reader(card.insert())
    bare_service(counter, probe, "resume", dry_run=True)
    pulled = Reader(card.insert(), len(probe.commands), pulled_before)
    assert bare_service(counter, pulled, "resume").state == "unknown"
    assert denied(gate) == {alias(town)}
    assert bare_service(counter, card, "resume").state == "done"
    assert denied(gate) == frozenset()
    (record,) = town.audit("card.denied")
    assert record.facts["reason"] == "suspended"
    assert len(town.audit("card.denial_ended")) == 1


def test_a_card_that_is_pulled_while_it_is_suspended_is_refused_offline(
    town: HubHarness, counter: Http, gate: Http
) -> None:
    """Whether the card took the command is not known, and what the clerk wanted is: the terminals refuse it."""
    card = EmulatedCard()
    write(counter, card)
    probe = Reader(card.insert())
    bare_service(counter, probe, "suspend")
    bare_service(counter, card, "resume")
    assert denied(gate) == frozenset()
    at = [command[1] for command in probe.commands].index(DEACTIVATE)
    assert bare_service(counter, Reader(card.insert(), at, pulled_before), "suspend").state == "unknown"
    assert denied(gate) == {alias(town)}


def test_one_person_releases_where_one_is_enough(counter: Http) -> None:
    """Without four eyes the release is done at once, with its evidence in the audit log."""
    card = EmulatedCard()
    writing = quarantined(counter, card)
    assert CardRelay(counter).release(writing, "terminal-fault") == "released"
    assert write(counter, card).state == "done"


def test_cards_of_a_shared_town_are_written_when_both_say_so(town: HubHarness, counter: Http) -> None:
    """Only a town of the settings, and only when the order names it."""
    card = EmulatedCard(issuer=OTHER_TOWN)
    shared = [f"{OTHER_TOWN:06d}"]
    configured(town, shared_with=frozenset(shared))
    with pytest.raises(HubProblemError) as refused:
        write(counter, card, shared_with=["131016"])
    assert refused.value.problem.code == "card_not_shared"
    assert code(write(counter, card)) == "card_not_ours"
    done = write(counter, card, shared_with=shared)
    assert done.state == "done"


def test_the_floor_of_a_card_rises_after_the_rotation_only(town: HubHarness, counter: Http) -> None:
    """With keys of generation 1 on the card it is refused; after rotation it rises, for ever, and once."""
    card = EmulatedCard()
    write(counter, card)
    hub = town.hub
    keys = load_card_keys(hub.settings.card_writing.keys_file)
    keys.add_master(2, MASTERS[2])
    generations = Generations(MUNICIPALITY)
    with hub.database.writing() as session:
        generations.add(session, 2, keys, hub.clock())
    assert bare(counter, card, "raise-floor").plan == ()
    assert bare(counter, card, "rotate").state == "done"
    with hub.database.writing() as session:
        generations.raise_floor(session, 2, hub.clock())
    old = EmulatedCard(serial=bytes(6) + b"\1")
    assert code(bare(counter, old, "raise-floor")) == "card_keys_unknown"
    raised = bare(counter, card, "raise-floor")
    assert (raised.state, len(raised.plan)) == ("done", 1)
    assert (bare(counter, card, "check").card or {})["generation_floor"] == 2
    assert bare(counter, card, "raise-floor").plan == ()


def test_known_cards_follow_the_key_epochs(town: HubHarness, counter: Http) -> None:
    """A quarantined card stays known before, during and after re-keying, and its journals with it."""
    card = EmulatedCard()
    writing = quarantined(counter, card)
    people = town.hub.people
    people.keys.add_epoch(Purpose.CREDENTIAL)
    assert code(write(counter, card)) == "card_quarantined"
    before = column(town, known_card.c.card)
    Rekeying(people, {}).run(town.hub.database, Purpose.CREDENTIAL, town.hub.clock())
    assert column(town, known_card.c.key_epoch) == [2]
    assert column(town, known_card.c.card) != before
    assert set(filter(None, column(town, card_writing.c.card))) == set(column(town, known_card.c.card))
    assert code(write(counter, card)) == "card_quarantined"
    CardRelay(counter).release(writing, "card-examined")
    assert write(counter, card).state == "done"


# -- plugins ---------------------------------------------------------------------------------------------------------


def test_profiles_are_told_in_the_language_of_the_request(counter: Http) -> None:
    """Fields, limits and whether the plugin hands over the data."""
    found: Mapping[str, Any] = counter.get(f"{API}/card-profiles")
    profile = found["profiles"][0]
    assert (profile["plugin"], profile["service"], profile["from_plugin"]) == ("library", "0301", False)
    assert [field["name"] for field in profile["fields"]] == ["number", "valid_until", "class"]


def test_an_ended_visit_gives_no_data(counter: Http) -> None:
    """The id of a visit that is not there is refused before the card is touched."""
    reader = Reader(EmulatedCard().insert())
    with pytest.raises(HubProblemError) as refused:
        write(counter, reader, visit_id="00000000-0000-7000-8000-000000000000")
    assert refused.value.problem.code == "visit_ended"
    assert reader.commands == []


def test_a_card_pulled_before_any_order_changes_nothing(counter: Http, gate: Http, town: HubHarness) -> None:
    """Pulled while it is read: refused as pulled, and no order was written down."""
    card = EmulatedCard()
    write(counter, card)

    def gone(_command: bytes, _way: Callable[[bytes], bytes]) -> bytes:
        raise CardRemovedError("gone")

    assert code(ride(gate, Reader(card.insert(), 3, gone))) == "card_pulled"
    assert column(town, card_tap.c.state) == []
