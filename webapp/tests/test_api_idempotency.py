"""Idempotency-Key: a write that is sent again is answered again and not done again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from mykey_testkit.hub import HubHarness, TerminalClient, sign_challenge

SERVICE = "library-desk"
LEND = {"service": SERVICE, "action": "lend", "visit_id": None}


def _visit(hub: HubHarness) -> tuple[TerminalClient, dict[str, object]]:
    """A terminal with a running visit, and the body that lends an item within it."""
    terminal = hub.terminal()
    visit = terminal.tap("adult", SERVICE, "link", patron_number="10000017")["result"]["visit"]["id"]
    return terminal, LEND | {"visit_id": visit, "input": {"barcode": "A1000001"}}


def test_an_action_is_done_once_for_one_key(library_hub: HubHarness) -> None:
    """The second answer equals the first, and the audit has one act."""
    terminal, body = _visit(library_hub)
    first = terminal.post("/actions", body, **{"Idempotency-Key": "lend-1"})
    again = terminal.post("/actions", body, **{"Idempotency-Key": "lend-1"})
    assert first.status_code == 200
    assert again.get_json() == first.get_json()
    assert len(library_hub.audit("action.done")) == 1


def test_without_a_key_the_second_is_another_act(library_hub: HubHarness) -> None:
    """What the keys are for: the plugin sees the repetition as a new wish."""
    terminal, body = _visit(library_hub)
    terminal.post("/actions", body)
    terminal.post("/actions", body)
    assert len(library_hub.audit("action.done")) == 2


def test_a_key_with_another_body_is_refused(library_hub: HubHarness) -> None:
    """Nobody gets the answer to a question that was not asked."""
    terminal, body = _visit(library_hub)
    terminal.post("/actions", body, **{"Idempotency-Key": "k"})
    other = terminal.post("/actions", body | {"input": {"barcode": "A1000002"}}, **{"Idempotency-Key": "k"})
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")


def test_a_key_belongs_to_one_terminal(library_hub: HubHarness) -> None:
    """Another terminal's key of the same name is another key."""
    one, other = library_hub.terminal(), library_hub.terminal()
    body = {"service": SERVICE, "action": "open", "input": {}}
    taps = {client.post("/taps", body, **{"Idempotency-Key": "k"}).get_json()["tap_id"] for client in (one, other)}
    assert len(taps) == 2


def test_a_tap_that_is_asked_for_again_is_the_same_tap(library_hub: HubHarness) -> None:
    """The same challenge, nonce included."""
    terminal = library_hub.terminal()
    body = {"service": SERVICE, "action": "open", "input": {}}
    first, again = (terminal.post("/taps", body, **{"Idempotency-Key": "t"}).get_json() for _ in range(2))
    assert first == again
    assert "nonce" in first


def test_a_proof_that_is_sent_again_gets_its_result(library_hub: HubHarness) -> None:
    """Where the reply was lost, the same proof with its key is answered, and nothing is done twice."""
    terminal = library_hub.terminal()
    challenge = terminal.begin(SERVICE, "link", patron_number="10000017")
    body = {"token": sign_challenge("adult", challenge)}
    path = f"/taps/{challenge['tap_id']}/proof"
    first, again = (terminal.post(path, body, **{"Idempotency-Key": "p"}) for _ in range(2))
    assert first.status_code == 200
    assert again.get_json() == first.get_json()
    assert len(library_hub.audit("tap.done")) == 1


def test_of_many_at_once_one_acts(library_hub: HubHarness) -> None:
    """Eight threads send the same action: one act; the others get its answer or are told to come again."""
    terminal, body = _visit(library_hub)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: terminal.post("/actions", body, **{"Idempotency-Key": "x"}), range(8)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.get_data() for answer in answers if answer.status_code == 200}) == 1
    assert len(library_hub.audit("action.done")) == 1


def test_a_key_ends_after_a_day(library_hub: HubHarness) -> None:
    """Then the same key is a new one."""
    terminal = library_hub.terminal()
    body = {"service": SERVICE, "action": "open", "input": {}}
    first = terminal.post("/taps", body, **{"Idempotency-Key": "t"}).get_json()
    library_hub.clock.move(timedelta(hours=24))
    terminal.sign_in()
    again = terminal.post("/taps", body, **{"Idempotency-Key": "t"}).get_json()
    assert first["tap_id"] != again["tap_id"]


def test_a_key_of_a_bad_form_is_refused(library_hub: HubHarness) -> None:
    """Not empty, not endless."""
    terminal = library_hub.terminal()
    body = {"service": SERVICE, "action": "open", "input": {}}
    for key in ("", "k" * 256):
        answer = terminal.post("/taps", body, **{"Idempotency-Key": key})
        assert (answer.status_code, answer.get_json()["code"]) == (400, "idempotency_key_invalid")
