"""Card writing over the API: a terminal relays APDUs, replies get lost, cards are pulled, and the journal knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from mykey_core.card_writing.counter import RIGHT
from mykey_core.card_writing.keys.generations import Generations
from mykey_core.card_writing.keys.software import load_card_keys
from mykey_core.card_writing.profiles import DEMO
from mykey_core.card_writing.tables import card_writing, card_writing_step, known_card
from mykey_core.plugins.context import PluginContext
from mykey_terminal.errors import HubProblemError, HubUnreachableError
from mykey_terminal.problems import Problem
from mykey_terminal.relay import CardRelay, WritingOutcome
from mykey_testkit.card_writing import MASTERS, OTHER_TOWN, EmulatedCard, Reader, pulled_after
from mykey_testkit.hub import MUNICIPALITY, HubHarness, TerminalClient

ORDER: dict[str, Any] = {
    "operation": "write",
    "plugin": "library",
    "values": {"number": "A-0001", "valid_until": "2030-03-31", "class": 3},
    "value": 500,
    "rides": 4,
    "period": 1,
}
_AUTHENTICATE = 0x82


class Http:
    """The terminal's connection, over WSGI; `losses` replies are lost after the hub has acted."""

    def __init__(self, client: TerminalClient) -> None:
        self.client = client
        self.losses = 0
        self.lose_every = 0
        self._count = 0

    def post(self, path: str, body: dict[str, Any], *, language: str | None = None) -> dict[str, Any]:
        headers = {"Accept-Language": language} if language else {}
        response = self.client.post(path.removeprefix("/api/v1"), body, **headers)
        document: dict[str, Any] = response.get_json()
        if response.status_code >= 400:
            raise HubProblemError(Problem.from_json(response.status_code, document))
        self._count += 1
        if self.lose_every and path.endswith("responses") and self._count % self.lose_every == 0:
            self.losses += 1
            raise HubUnreachableError("lost", sent=True)
        return document


@pytest.fixture
def town(library_hub: HubHarness) -> HubHarness:
    """A hub with master keys, a counter, and a plugin whose manifest has the demo profile."""
    hub = library_hub.hub
    keys = load_card_keys(hub.settings.card_writing.keys_file)
    keys.add_master(1, MASTERS[1])
    with hub.database.writing() as session:
        Generations(MUNICIPALITY).add(session, 1, keys, hub.clock())
    hub.terminals.define_service_point("cards", {"ja": "カード窓口", "en": "Card counter"}, [RIGHT])
    context: PluginContext = hub.plugins.plugins["library"].context
    manifest = context.manifest.model_copy(update={"card_profile": DEMO})
    object.__setattr__(context, "manifest", manifest)
    return library_hub


@pytest.fixture
def counter(town: HubHarness) -> Http:
    """A terminal at the card counter."""
    return Http(town.terminal("cards"))


def relayed(http: Http, card: EmulatedCard | Reader, **changes: Any) -> WritingOutcome:
    transport = card if isinstance(card, Reader) else card.insert()
    return CardRelay(http, language="en", pause=lambda _: None).write(transport, {**ORDER, **changes})


def test_a_card_is_written_over_the_relay(counter: Http, town: HubHarness) -> None:
    """The card has the service, the journal has every step as done, the audit record has the facts and no serial."""
    card = EmulatedCard()
    done = relayed(counter, card)
    assert (done.state, len(done.plan), done.problem) == ("done", 7, None)
    assert card.commits() == (2, 6)
    with town.hub.database.reading() as session:
        own = card_writing_step.c.municipality == MUNICIPALITY
        states = session.execute(select(card_writing_step.c.state).where(own)).scalars().all()
    assert states == ["done"] * 7
    record = town.audit()[-1]
    assert (record.event, record.facts["state"], record.facts["provider"]) == ("card_writing.ended", "done", "software")
    assert card.serial.hex() not in str(record.facts).lower()


def test_lost_replies_never_repeat_a_command(counter: Http) -> None:
    """Every third reply is lost: the terminal asks again, and each command reaches the card once."""
    card = EmulatedCard()
    counter.lose_every = 3
    reader = Reader(card.insert())
    assert relayed(counter, reader).state == "done"
    assert counter.losses > 3
    secured = [command for command in reader.commands if command[0] & 0x04]  # plain SELECTs are alike
    assert len(set(secured)) == len(secured)
    assert card.commits() == (2, 6)


def test_a_pulled_card_is_resolved_by_the_next_writing(counter: Http, town: HubHarness) -> None:
    """Pulled after a step: the writing is unknown; the next one reads the card, and the journal tells the truth."""
    card = EmulatedCard()
    probe = Reader(EmulatedCard(serial=bytes(7)).insert())
    relayed(counter, probe)
    at = [command[1] for command in probe.commands].index(0xD8)
    torn = relayed(counter, Reader(card.insert(), at, pulled_after))
    assert (torn.state, (torn.problem or {})["code"]) == ("unknown", "card_pulled")
    assert relayed(counter, card).state == "done"
    assert card.commits() == (2, 6)
    with town.hub.database.reading() as session:
        own = card_writing_step.c.municipality == MUNICIPALITY
        states = set(session.execute(select(card_writing_step.c.state).where(own)).scalars())
    assert states == {"done"}
    assert any(record.event == "card_writing.resolved" for record in town.audit())


def test_a_refused_proof_puts_the_card_aside(counter: Http) -> None:
    """One failed EXTERNAL AUTHENTICATE: quarantine, and the next try is refused without a proof."""

    def refuse(command: bytes, way: Callable[[bytes], bytes]) -> bytes:
        return way(command[:-1] + bytes((command[-1] ^ 1,)))

    card = EmulatedCard()
    assert relayed(counter, card).state == "done"
    probe = Reader(card.insert())
    relayed(counter, probe)
    at = [command[1] for command in probe.commands].index(_AUTHENTICATE)
    refused = relayed(counter, Reader(card.insert(), at, refuse))
    assert (refused.state, (refused.problem or {})["code"]) == ("quarantined", "card_quarantined")
    later = Reader(card.insert())
    assert (relayed(counter, later).problem or {})["code"] == "card_quarantined"
    assert later.sent(_AUTHENTICATE) == 0


def test_a_card_that_went_back_is_quarantined(counter: Http, town: HubHarness) -> None:
    """A transaction counter lower than the last one seen: a copy, or a restored card; it stays out."""
    card = EmulatedCard()
    relayed(counter, card)
    with town.hub.database.writing() as session:
        session.execute(update(known_card).where(known_card.c.municipality == MUNICIPALITY).values(last_counter=9))
    went_back = relayed(counter, card)
    assert (went_back.state, (went_back.problem or {})["code"]) == ("quarantined", "card_tampered")
    again = relayed(counter, card)
    assert (again.problem or {})["code"] == "card_quarantined"


def test_another_town_card_is_refused_in_words(counter: Http) -> None:
    """The refusal has title, text and what to do, in the language of the request."""
    refused = relayed(counter, EmulatedCard(issuer=OTHER_TOWN))
    assert refused.state == "refused"
    assert (refused.problem or {})["title"] == "This card cannot be written here"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"plugin": "unknown"}, "profile_unknown"),
        ({"values": {"number": "x" * 40}}, "profile_does_not_fit"),
        ({"values": {"valid_until": "tomorrow"}}, "profile_does_not_fit"),
        ({"values": {}}, "profile_does_not_fit"),
        ({"value": 10**9}, "profile_does_not_fit"),
        ({"operation": "destroy"}, "request_malformed"),
        ({"surplus": 1}, "request_malformed"),
    ],
)
def test_bad_orders_are_refused_before_any_apdu(counter: Http, change: dict[str, Any], code: str) -> None:
    """What can be refused without the card is refused without it."""
    reader = Reader(EmulatedCard().insert())
    with pytest.raises(HubProblemError) as refused:
        relayed(counter, reader, **change)
    assert refused.value.problem.code == code
    assert reader.commands == []


def test_only_a_card_counter_writes_cards(town: HubHarness) -> None:
    """A terminal of another service point is refused."""
    with pytest.raises(HubProblemError) as refused:
        relayed(Http(town.terminal()), EmulatedCard())
    assert refused.value.problem.code == "card_counter_only"


def test_four_eyes(town: HubHarness) -> None:
    """A deletion waits for a second terminal; the first one cannot approve it, and nothing is sent before."""
    settings = town.hub.settings.card_writing.model_copy(update={"four_eyes": frozenset({"delete"})})
    object.__setattr__(town.hub.settings, "card_writing", settings)
    first, second = Http(town.terminal("cards")), Http(town.terminal("cards"))
    card = EmulatedCard()
    relayed(first, card)
    waiting = relayed(first, card, operation="delete", with_value=True)
    assert waiting.state == "approval"
    path = f"/api/v1/card-writings/{waiting.writing_id}"
    for http, where, body, code in (
        (first, "responses", {"sequence": 0}, "approval_needed"),
        (first, "approval", {}, "approval_by_another"),
        (second, "responses", {"sequence": 0}, "writing_unknown"),
    ):
        with pytest.raises(HubProblemError) as refused:
            http.post(f"{path}/{where}", body)
        assert refused.value.problem.code == code
    assert second.post(f"{path}/approval", {})["state"] == "open"
    assert CardRelay(first).resume(card.insert(), waiting.writing_id).state == "done"
    with town.hub.database.reading() as session:
        own = card_writing.c.municipality == MUNICIPALITY
        approvers = session.execute(select(card_writing.c.approved_by).where(own)).scalars().all()
    assert sum(approver is not None for approver in approvers) == 1


def test_answers_out_of_step_are_refused(counter: Http) -> None:
    """Numbers that are not next, and too many answers, change nothing."""
    begun = counter.post("/api/v1/card-writings", ORDER)
    path = f"/api/v1/card-writings/{begun['writing_id']}/responses"
    first = counter.post(path, {"sequence": 0})
    assert counter.post(path, {"sequence": 0}) == first
    for body in ({"sequence": 5}, {"sequence": 1}, {"sequence": 1, "responses": ["9000", "9000"]}):
        with pytest.raises(HubProblemError) as refused:
            counter.post(path, body)
        assert refused.value.problem.code == "writing_out_of_step"
    counter.post(path, {"sequence": 1, "card_gone": True})


def test_a_terminal_finds_its_writing_again(counter: Http) -> None:
    """The state of a writing can be asked for; an unknown one is not found."""
    card = EmulatedCard()
    done = relayed(counter, card)
    assert counter.client.get(f"/card-writings/{done.writing_id}").get_json()["state"] == "done"
    assert counter.client.get("/card-writings/nonsense").status_code == 404


def test_a_check_and_a_move_out_need_no_plugin(counter: Http, town: HubHarness) -> None:
    """A check shows the card and changes nothing; a move-out removes every service of the town."""
    card = EmulatedCard()
    relayed(counter, card)
    plain = {"plugin": "", "values": {}}
    before = card.memory.image()
    seen = relayed(counter, card, operation="check", **plain)
    assert (seen.state, (seen.card or {})["services"][0]["state"]) == ("done", "activated")
    assert card.memory.image() == before
    assert relayed(counter, card, operation="move-out", with_value=True, **plain).state == "done"
    assert (relayed(counter, card, operation="check", **plain).card or {})["services"] == []
    assert [record.facts["operation"] for record in town.audit("card_writing.ended")][-1] == "check"
