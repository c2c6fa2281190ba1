"""Who may talk to the agent: Host, Origin, pairing, method, content type and size, each broken in turn."""

from __future__ import annotations

import json
import logging
import threading
from contextlib import suppress
from typing import Any

import pytest

from mykey_terminal.agent.gate import MAX_BODY
from mykey_terminal.agent.pairing import CODE_ALPHABET, MAX_TOKENS, PairingDesk
from mykey_terminal.errors import PairingError
from mykey_testkit.canaries import gives_away

PAGE = "https://hub.example.jp"
HOST = "127.0.0.1:41873"
ENDPOINTS = [
    ("GET", "/status"),
    ("GET", "/card"),
    ("GET", "/tray"),
    ("PUT", "/tray/inserted"),
    ("GET", "/services"),
    ("POST", "/taps"),
    ("POST", "/actions"),
    ("DELETE", "/visits/v-1"),
]
TAP = {"service": "library", "action": "open", "input": {}, "pin": "1234"}


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "https://evil.example",
        "http://hub.example.jp",
        "https://hub.example.jp:8443",
        "https://hub.example.jp.evil.example",
        "https://hub.example.jp, https://evil.example",
        "HTTPS://HUB.EXAMPLE.JP",
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_foreign_and_absent_origins_are_refused(agent: Any, origin: str | None, method: str) -> None:
    """Also on OPTIONS, also with a good token; and the answer grants the page nothing."""
    answer = agent.request(method, "/status", origin=origin, token=agent.pair())
    assert (answer.status_code, answer.json["code"]) == (403, "agent_origin")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert agent.touched == []


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:41873", "127.0.0.1", "127.0.0.1:80", "localhost:41874", "127.0.0.1:41873.", ""],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_rebound_hosts_are_refused(agent: Any, host: str, method: str) -> None:
    """A name that was rebound to this computer is not one of the agent's own."""
    answer = agent.request(method, "/status", host=host, token=agent.pair())
    assert (answer.status_code, answer.json["code"]) == (421, "agent_host")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("host", [HOST, "localhost:41873", "[::1]:41873"])
def test_own_hosts_are_answered(agent: Any, host: str) -> None:
    """The agent's own names work, and the answer is for exactly this page and never stored."""
    answer = agent.request("GET", "/status", host=host, token=agent.pair())
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Vary"] == "Origin"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_preflight_names_methods_and_headers(agent: Any) -> None:
    """An allowed page's preflight succeeds without a token and says what may be sent."""
    answer = agent.request("OPTIONS", "/taps", token=None)
    assert answer.status_code == 204
    assert "Mykey-Pairing" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Access-Control-Allow-Methods"] == "DELETE, GET, POST, PUT"
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("token", [None, "", "wrong", "Ａ"])
def test_nothing_is_done_without_pairing(agent: Any, method: str, path: str, token: str | None) -> None:
    """Every request but pairing needs the token."""
    answer = agent.request(method, path, token=token, body=TAP if method != "GET" else None)
    assert (answer.status_code, answer.json["code"]) == (401, "agent_not_paired")
    assert agent.touched == []


def test_token_is_good_for_its_origin_only(agent: Any) -> None:
    """A second allowed page cannot use the token of the first."""
    token = agent.pair()
    answer = agent.request("GET", "/status", token=token, origin="http://127.0.0.1:8080")
    assert (answer.status_code, answer.json["code"]) == (401, "agent_not_paired")
    assert agent.request("GET", "/status", token=token).status_code == 200


def test_code_works_once(agent: Any) -> None:
    """A used code is refused; the next one has been announced to the person and works."""
    code = agent.code
    assert agent.request("POST", "/pair", body={"code": code}).status_code == 200
    again = agent.request("POST", "/pair", body={"code": code})
    assert (again.status_code, again.json["code"]) == (403, "agent_pairing_code")
    assert agent.code != code
    assert agent.request("POST", "/pair", body={"code": agent.code.lower()}).status_code == 200


def test_guessing_is_slow(agent: Any, clock: Any) -> None:
    """After five wrong codes even the right one has to wait; the page hears how long."""
    for _ in range(5):
        assert agent.request("POST", "/pair", body={"code": "22222222"}).status_code == 403
    answer = agent.request("POST", "/pair", body={"code": agent.code})
    assert (answer.status_code, answer.json["code"]) == (429, "agent_rate_limited")
    assert answer.headers["Retry-After"] == "60"
    clock.sleep(60)
    assert agent.request("POST", "/pair", body={"code": agent.code}).status_code == 200


def test_code_is_exchanged_by_one_thread_only() -> None:
    """Fifty threads with the same code: one gets a token."""
    codes: list[str] = []
    desk = PairingDesk(monotonic=lambda: 0.0, announce=codes.append)
    code, won = codes[0], []
    start = threading.Barrier(50)

    def run() -> None:
        start.wait()
        with suppress(PairingError):
            won.append(desk.pair(code, PAGE))

    threads = [threading.Thread(target=run) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_codes_have_forty_bits_and_tokens_are_few() -> None:
    """Codes are eight signs of 32; the page that was paired first is forgotten when too many are."""
    codes: list[str] = []
    desk = PairingDesk(monotonic=lambda: 0.0, announce=codes.append)
    tokens = [desk.pair(codes[-1], PAGE) for _ in range(MAX_TOKENS + 1)]
    assert len(set(codes)) == MAX_TOKENS + 2
    assert all(len(code) == 8 and set(code) <= set(CODE_ALPHABET) for code in codes)
    assert len(set(CODE_ALPHABET)) == 32
    desk.check(tokens[-1], PAGE)
    with pytest.raises(PairingError):
        desk.check(tokens[0], PAGE)


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", None])
def test_types_that_need_no_preflight_are_refused(agent: Any, media_type: str | None) -> None:
    """A form or plain text, which a page may send without asking first, is not read."""
    answer = agent.request("POST", "/taps", token=agent.pair(), raw=json.dumps(TAP).encode(), media_type=media_type)
    assert (answer.status_code, answer.json["code"]) == (415, "agent_content_type")


def test_oversize_bodies_are_not_read(agent: Any) -> None:
    """One byte more than allowed is refused, before pairing codes are compared."""
    raw = b'{"code": "' + b"A" * (MAX_BODY - 12) + b'"}'
    assert len(raw) == MAX_BODY
    assert agent.request("POST", "/pair", raw=raw).status_code == 400
    answer = agent.request("POST", "/pair", raw=raw + b" ")
    assert (answer.status_code, answer.json["code"], answer.json["max_bytes"]) == (
        413,
        "agent_body_too_large",
        MAX_BODY,
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("DELETE", "/status", 405, "agent_method"),
        ("GET", "/taps", 405, "agent_method"),
        ("POST", "/status", 405, "agent_method"),
        ("GET", "/nothing", 404, "agent_not_found"),
        ("GET", "/../status", 404, "agent_not_found"),
        ("GET", "//status", 404, "agent_not_found"),
    ],
)
def test_other_methods_and_paths(agent: Any, method: str, path: str, status: int, code: str) -> None:
    """What the API does not name is refused with a document."""
    answer = agent.request(method, path, token=agent.pair())
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.mimetype == "application/problem+json"
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("raw", "member"),
    [
        (b"", ""),
        (b"{", ""),
        (b"[]", ""),
        (b"\xff", ""),
        (b'{"service":"a","pin":"1234","pin":"5678"}', ""),
        (b"[" * 16_000, ""),
        (b'{"service":"a","input":{"n":1e400},"pin":"1234"}', ""),
        (b'{"service":"a","input":{"n":NaN},"pin":"1234"}', ""),
        (b'{"service":"a","input":{"n":' + b"9" * 5000 + b'},"pin":"1234"}', ""),
        (b'{"service":"a","pin":1234}', "pin"),
        (b'{"service":"a","pin":["1234"]}', "pin"),
        (b'{"service":"a","pin":"1234","allow_last_attempt":"yes"}', "allow_last_attempt"),
        (b'{"service":"","pin":"1234"}', "service"),
        (b'{"pin":"1234"}', "service"),
        (b'{"service":"a","pin":"1234","1234":1}', ""),
        (b'{"service":"a","input":{"1234":{}},"pin":"1234"}', "input"),
        (b'{"service":"a","input":[],"pin":"1234"}', "input"),
        (b'{"service":"\\ud800","pin":"1234"}', "service"),
        (b'{"service":"a","pin":"' + b"1234" * 17 + b'"}', "pin"),
    ],
)
def test_bad_bodies_say_where_and_not_what(
    agent: Any, raw: bytes, member: str, caplog: pytest.LogCaptureFixture
) -> None:
    """400 with our own name of the member; nothing that was sent comes back or into a log."""
    caplog.set_level(logging.DEBUG)
    answer = agent.request("POST", "/taps", token=agent.pair(), raw=raw)
    assert (answer.status_code, answer.json["code"], answer.json["member"]) == (400, "agent_bad_request", member)
    assert not gives_away(answer.get_data(as_text=True), "1234")
    assert not gives_away(caplog.text, "1234")
    assert agent.touched == []


def test_fault_of_the_agent_quotes_nothing(
    agent: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug that raises with the PIN in its text: the page hears 500, the log the place, nobody the PIN."""
    caplog.set_level(logging.DEBUG)

    def fail(_runner: Any, _request: Any, pin: bytearray) -> None:
        raise RuntimeError(pin.decode())

    monkeypatch.setattr("mykey_terminal.tap.TapRunner.run", fail)
    answer = agent.request("POST", "/taps", token=agent.pair(), body=TAP)
    assert (answer.status_code, answer.json["code"]) == (500, "agent_internal")
    assert "RuntimeError at " in caplog.text
    assert not gives_away(caplog.text + answer.get_data(as_text=True), "1234")
