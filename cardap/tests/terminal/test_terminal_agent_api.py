"""What the agent does for a paired page, with the emulated card and the hub's double."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mykey_cardap.errors import NoReaderError
from mykey_testkit.canaries import gives_away

if TYPE_CHECKING:
    from mykey_terminal.readers.virtual import VirtualReader

TAP = {"service": "library", "action": "open", "input": {"item": "77001"}, "pin": "1234"}


def test_status_says_who_and_what(agent: Any) -> None:
    """Version, terminal, service point and the card in the tray."""
    status = agent.call("GET", "/status").json
    assert status["terminal_id"] == "terminal-1"
    assert status["service_point"]["name"] == "library-desk"
    reader = status["reader"]
    assert (reader["kind"], reader["card_present"], reader["card"]["name"]) == ("virtual", True, "adult")
    assert set(reader["card"]["title"]) == {"ja", "en"}


def test_an_insertion_has_a_fresh_id_for_each_page(agent: Any) -> None:
    """The same while the card stays, another for another page and for the same card put in again; none without one."""

    def seen() -> Any:
        return agent.call("GET", "/status").json["reader"]["insertion"]

    agent.call("PUT", "/tray/inserted", {"card": None})
    assert seen() is None
    agent.call("PUT", "/tray/inserted", {"card": "adult"})
    first, page = seen(), agent.token
    assert isinstance(first, str)
    signed = agent.call("POST", "/sign-ins", {"nonce": "A" * 44, "pin": "1234", "allow_last_attempt": False}).json
    assert (signed["state"], signed["insertion"], seen()) == ("done", first, first)
    agent.pair()
    assert seen() not in {None, first}
    agent.token = page
    assert seen() == first
    agent.call("PUT", "/tray/inserted", {"card": "adult"})
    assert seen() not in {None, first}


def test_reader_that_fails_is_part_of_the_status(agent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page can say 'no reader' because the agent itself is well."""

    def missing(_self: Any) -> bool:
        raise NoReaderError("no card reader is connected")

    monkeypatch.setattr("mykey_terminal.readers.virtual.VirtualReader.card_present", missing)
    reader = agent.call("GET", "/status").json["reader"]
    assert reader["problem"]["code"] == "no_reader"
    assert not reader["card_present"]
    answer = agent.call("GET", "/card")
    assert (answer.status_code, answer.json["code"]) == (503, "no_reader")


def test_tray_and_card(agent: Any) -> None:
    """Cards are put in and taken out; looking at one costs no try."""
    tray = agent.call("GET", "/tray").json
    names = [card["name"] for card in tray["cards"]]
    assert tray["inserted"] == "adult"
    assert {"child", "revoked", "blocked-pin", "other-town"} <= set(names)
    assert agent.call("PUT", "/tray/inserted", {"card": "blocked-pin"}).json == {"inserted": "blocked-pin"}
    for _ in range(3):
        card = agent.call("GET", "/card").json
    assert card["pins"] == {"authentication": {"attempts_remaining": 0, "blocked": True}}
    assert card["token_label"] == "JPKIAPICCTOKEN2"
    agent.call("PUT", "/tray/inserted", {"card": None})
    assert agent.call("GET", "/card").json == {"present": False, "pins": {}, "token_label": None}
    answer = agent.call("PUT", "/tray/inserted", {"card": "../../etc/passwd"})
    assert (answer.status_code, answer.json["code"]) == (404, "card_unknown")


def test_tap_and_its_trace(agent: Any, hub_double: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A tap with everything that the page shows; the PIN is nowhere in answer or log."""
    caplog.set_level(logging.DEBUG)
    answer = agent.call("POST", "/taps", TAP, language="ja-Hira")
    body = answer.json
    assert (body["state"], body["result"]["code"], body["recovered"]) == ("done", "opened", False)
    assert body["card"] == {"attempts_remaining": 3, "blocked": False}
    assert {"command": "00 20 00 80 04 ** ** ** **", "response": "90 00", "note": "verify-pin"} in body["trace"]
    assert hub_double.languages[-1] == "ja-Hira"
    assert "31 32 33 34" not in answer.get_data(as_text=True)
    assert not gives_away(caplog.text, "1234")


def test_wrong_pin_is_an_answer(agent: Any) -> None:
    """A tap that the card refused is answered with 200, the problem, the counter and the trace."""
    answer = agent.call("POST", "/taps", {**TAP, "pin": "9999"})
    assert answer.status_code == 200
    assert answer.json["state"] == "problem"
    assert answer.json["problem"]["code"] == "pin_wrong"
    assert answer.json["problem"]["attempts_remaining"] == 2
    assert answer.json["card"] == {"attempts_remaining": 2, "blocked": False}


@pytest.mark.parametrize("text", ["", "\ud800\ud800\ud800\ud800", "１２３４", "1234 "])
def test_text_that_is_no_pin_is_not_presented(agent: Any, text: str) -> None:
    """Whatever stands in the PIN field of the page, the card is asked for its counter at most."""
    answer = agent.call("POST", "/taps", {**TAP, "pin": text}).json
    assert answer["problem"]["code"] == "pin_format"
    assert answer["card"] == {"attempts_remaining": 3, "blocked": False}


def test_last_attempt_needs_permission(agent: Any) -> None:
    """The page asks the person first, then sends `allow_last_attempt`."""
    agent.call("PUT", "/tray/inserted", {"card": "last-try"})
    assert agent.call("POST", "/taps", TAP).json["problem"]["code"] == "last_attempt"
    assert agent.call("POST", "/taps", {**TAP, "allow_last_attempt": True}).json["state"] == "done"


def test_second_tap_never_queues(agent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one tap runs, another is refused at once: it would present the PIN a second time."""
    inside, go_on = threading.Event(), threading.Event()

    def slow(_session: Any, _kind: Any, **_: Any) -> Any:
        inside.set()
        go_on.wait(60)
        raise NoReaderError("enough")

    monkeypatch.setattr("mykey_terminal.tap.make_token", slow)
    token = agent.pair()
    first = threading.Thread(target=lambda: agent.request("POST", "/taps", token=token, body=TAP))
    first.start()
    assert inside.wait(60)
    asked = time.monotonic()
    second = agent.request("POST", "/taps", token=token, body=TAP)
    assert time.monotonic() - asked < 4
    go_on.set()
    first.join()
    assert (second.status_code, second.json["code"]) == (409, "reader_busy")


def test_services_and_actions_pass_through(agent: Any, hub_double: Any) -> None:
    """The hub's own words reach the page, and an action needs no card."""
    agent.call("PUT", "/tray/inserted", {"card": None})
    assert agent.call("GET", "/services", language="en").json["services"][0]["service"] == "library"
    body = {"service": "library", "action": "lend", "input": {"item": "1"}, "visit_id": "v1"}
    answer = agent.call("POST", "/actions", body).json
    assert (answer["state"], answer["result"]["echo"]) == ("done", body)
    hub_double.faults["act"] = [409]
    problem = agent.call("POST", "/actions", body).json
    assert (problem["state"], problem["problem"]["code"]) == ("problem", "hub_busy")
    hub_double.faults["services"] = ["lost-before"]
    gone = agent.call("GET", "/services")
    assert (gone.status_code, gone.json["code"], gone.mimetype) == (
        503,
        "hub_unreachable",
        "application/problem+json",
    )


def test_a_tap_is_read_again_and_an_action_carries_its_key(agent: Any, hub_double: Any) -> None:
    """The page may ask for the same answer again, in another language: of a tap by its id, of an action by its key."""
    agent.call("PUT", "/tray/inserted", {"card": "adult"})
    tap = agent.call("POST", "/taps", TAP).json
    again = agent.call("GET", f"/taps/{tap['tap_id']}", language="en").json
    assert (again["state"], again["result"]) == ("done", tap["result"])
    assert len(hub_double.effects) == 1
    assert agent.call("GET", "/taps/tap-99").json["code"] == "tap_unknown"
    assert agent.call("GET", "/taps/%2e%2e%2fservices").status_code == 404
    body = {"service": "library", "action": "return", "request_id": "0123456789abcdef"}
    assert agent.call("POST", "/actions", body).json["result"]["key"] == "0123456789abcdef"
    short = agent.call("POST", "/actions", {**body, "request_id": "a b"})
    assert (short.status_code, short.json["member"]) == (400, "request_id")


def test_visit_ends_with_the_card(agent: Any, hub_double: Any) -> None:
    """The page ends a visit when the card leaves; an id with a slash in it reaches no other path."""
    assert agent.call("DELETE", "/visits/v-1").json == {"ended": True}
    assert hub_double.calls[-1] == ("visit", "/api/v1/visits/v-1")
    assert agent.call("DELETE", "/visits/v-2").json["code"] == "visit_ended"
    assert agent.call("DELETE", "/visits/../taps/tap-1").status_code == 404
    assert agent.call("DELETE", "/visits/..").status_code == 404
    assert agent.call("DELETE", "/visits/%2e%2e%2ftaps%2ftap-1").status_code == 404


def test_tap_without_pin_is_no_bad_request(agent: Any) -> None:
    """Null stands for 'none needed'; a service that needs one says that it cannot be the PIN."""
    assert agent.call("POST", "/taps", {**TAP, "pin": None}).json["problem"]["code"] == "pin_format"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
TAP_LIKE = st.fixed_dictionaries(
    {},
    optional={
        "service": JSON | st.just("library"),
        "action": JSON | st.just("open"),
        "input": JSON | st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=9), max_size=3),
        "pin": JSON | st.sampled_from(["1234", "12", "あ", "9" * 64]),
        "allow_last_attempt": JSON,
        "visit_id": JSON,
        "card": JSON | st.sampled_from(["adult", "phone"]),
        "code": JSON,
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(path=st.sampled_from(["/taps", "/actions", "/tray/inserted", "/pair"]), body=JSON | TAP_LIKE)
def test_any_json_gets_a_document(agent: Any, path: str, body: Any) -> None:
    """Whatever JSON is sent, the answer is a JSON object and never a fault of the agent."""
    method = "PUT" if path == "/tray/inserted" else "POST"
    answer = agent.request(method, path, token=agent.token, body=body)
    assert answer.status_code != 500
    assert isinstance(answer.json, dict)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(raw=st.binary(max_size=300))
def test_any_bytes_get_a_document(agent: Any, raw: bytes) -> None:
    """Bytes that are no JSON are refused, and nothing of them comes back."""
    answer = agent.request("POST", "/taps", token=agent.token, raw=raw)
    assert (answer.status_code, answer.json["code"]) == (400, "agent_bad_request")


def test_inserting_needs_a_virtual_reader(agent: Any, reader: VirtualReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real reader there is no tray."""
    monkeypatch.setattr("mykey_terminal.agent.reader_desk.VirtualReader", type("Other", (), {}))
    assert reader.inserted == "adult"
    for method, path, body in (("GET", "/tray", None), ("PUT", "/tray/inserted", {"card": "adult"})):
        answer = agent.call(method, path, body)
        assert (answer.status_code, answer.json["code"]) == (404, "agent_not_found")
