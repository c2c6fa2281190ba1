"""Enrolment and the hub client against a hub that really verifies the terminal's assertions."""

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mykey_terminal.device_key import DeviceKey
from mykey_terminal.enrolment import Enrolment, StateDirectory, enrol
from mykey_terminal.errors import (
    AlreadyEnrolledError,
    HubAddressError,
    HubAnswerError,
    HubProblemError,
    HubUnreachableError,
)
from mykey_terminal.hub import Hub
from mykey_terminal.hub_address import hub_origin, hub_origin_and_path
from mykey_terminal.hub_auth import TerminalAuth
from mykey_terminal.hub_http import HubHttp

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = "https://hub.example.jp"


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://hub.example.jp", "https://hub.example.jp"),
        ("https://HUB.Example.jp:443/", "https://hub.example.jp"),
        ("https://hub.example.jp:8443", "https://hub.example.jp:8443"),
        ("https://図書館.example.jp", "https://" + "図書館.example.jp".encode("idna").decode()),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_address_becomes_the_origin_of_a_browser(address: str, origin: str) -> None:
    """The origin is what `location.origin` gives: ASCII, lower case, no default port, no slash."""
    assert hub_origin(address) == origin


@pytest.mark.parametrize(
    ("address", "origin", "path"),
    [
        ("https://hub.example.jp/132217", "https://hub.example.jp", "/132217"),
        ("https://HUB.example.jp:443/mihon-city/", "https://hub.example.jp", "/mihon-city"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080", "/x"),
        ("https://hub.example.jp/", "https://hub.example.jp", ""),
        ("http://localhost:8000", "http://localhost:8000", ""),
    ],
)
def test_a_town_can_have_a_path_of_its_own(address: str, origin: str, path: str) -> None:
    """Cards sign for the origin alone."""
    assert hub_origin_and_path(address) == (origin, path)


@pytest.mark.parametrize(
    "address",
    [
        "https://hub.example.jp/a/b",
        "https://hub.example.jp//a",
        "https://hub.example.jp/%41",
        "https://hub.example.jp/a?x=1",
        "https:///a",
        "https://",
        "http://hub.example.jp/a",
        "a",
        "/a",
    ],
)
def test_a_path_of_another_form_is_refused(address: str) -> None:
    """One part of small letters, digits and hyphens."""
    with pytest.raises(HubAddressError):
        hub_origin_and_path(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://hub.example.jp",
        "https://hub.example.jp/path",
        "https://user@hub.example.jp",
        "https://hub.example.jp?x=1",
        "https://hub.example.jp#x",
        "ftp://hub.example.jp",
        "hub.example.jp",
        "http://127.0.0.1.example.jp",
        "http://localhost@evil.example",
        "https://",
        "",
        "http://[::1",
    ],
)
def test_address_that_is_no_origin_is_refused(address: str) -> None:
    """Plain HTTP beyond this computer, paths, users and nonsense are refused."""
    with pytest.raises(HubAddressError):
        hub_origin(address)


def test_enrolment_uses_the_code_once(
    enrolled: Enrolment, hub_double: Any, transport: httpx.WSGITransport, clock: Any, tmp_path: Path
) -> None:
    """The hub hears the public key only, and the code does not work a second time."""
    assert enrolled.terminal_id == "terminal-1"
    assert b'"d"' not in hub_double.bodies[0]
    other = StateDirectory(tmp_path / "other")
    with pytest.raises(HubProblemError) as refusal:
        enrol(ORIGIN, "KONNICHIWA", other, name="x", clock=clock, transport=transport)
    assert refusal.value.problem.code == "enrolment_code_invalid"
    assert not (other.path / "terminal.json").exists()


@pytest.mark.usefixtures("enrolled")
def test_second_enrolment_in_one_folder_is_refused(state: StateDirectory, hub_double: Any, clock: Any) -> None:
    """A terminal is not overwritten, and the code is not spent on the attempt."""
    hub_double.codes.add("NEXT")
    with pytest.raises(AlreadyEnrolledError):
        enrol(ORIGIN, "NEXT", state, name="x", clock=clock, transport=httpx.WSGITransport(app=hub_double))
    assert "NEXT" in hub_double.codes


def test_lost_enrolment_is_repeated_with_the_same_key(
    state: StateDirectory, hub_double: Any, transport: httpx.WSGITransport, clock: Any
) -> None:
    """The key is kept when the answer is lost, so that the hub can recognise the repetition."""
    hub_double.faults["enrol"] = ["lost-before"]
    with pytest.raises(HubUnreachableError):
        enrol(ORIGIN, "KONNICHIWA", state, name="desk", clock=clock, transport=transport)
    enrol(ORIGIN, "KONNICHIWA", state, name="desk", clock=clock, transport=transport)
    first, second = hub_double.bodies
    assert first == second


def test_hub_under_another_name_is_told(
    state: StateDirectory, clock: Any, hub_double: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub whose own origin is not the address that was typed names the right one, and no terminal is made."""
    good = hub_double._enrol
    other = {"origin": "https://mykey.example.jp"}
    monkeypatch.setattr(hub_double, "_enrol", lambda request: ({**good(request)[0], **other}, 201))
    with pytest.raises(HubAddressError, match=r"https://mykey\.example\.jp"):
        enrol(ORIGIN, "KONNICHIWA", state, name="x", clock=clock, transport=httpx.WSGITransport(app=hub_double))
    assert not (state.path / "terminal.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"token_endpoint": "https://evil.example/api/v1/oauth/token"},
        {"token_endpoint": "https://x@hub.example.jp/token"},
        {"token_endpoint": None},
        {"services": "library"},
        {"terminal_id": 7},
        {"audience": None},
    ],
)
def test_enrolment_answer_that_is_wrong_is_refused(
    state: StateDirectory, clock: Any, hub_double: Any, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An incomplete answer, or a token endpoint of another origin, makes no terminal."""
    good = hub_double._enrol
    monkeypatch.setattr(hub_double, "_enrol", lambda request: ({**good(request)[0], **change}, 201))
    with pytest.raises(HubAnswerError):
        enrol(ORIGIN, "KONNICHIWA", state, name="x", clock=clock, transport=httpx.WSGITransport(app=hub_double))
    assert not (state.path / "terminal.json").exists()


def test_one_access_token_serves_until_shortly_before_its_end(hub: Hub, hub_double: Any, clock: Any) -> None:
    """A token is fetched once, used again, and renewed before the hub would refuse it."""
    hub.services()
    clock.sleep(265)
    hub.services()
    assert hub_double.count("token") == 1
    clock.sleep(10)  # 275 s of 300 are gone: within the margin
    hub.services()
    assert hub_double.count("token") == 2
    assert hub_double.count("services") == 3  # no request was refused on the way


def test_token_that_the_hub_forgot_is_renewed_once(hub: Hub, hub_double: Any) -> None:
    """401 leads to one new token and one repetition."""
    hub.services()
    hub_double.tokens.clear()
    assert hub.services()["services"]
    assert (hub_double.count("token"), hub_double.count("services")) == (2, 3)


def test_401_is_not_repeated_for_ever(hub: Hub, hub_double: Any) -> None:
    """A hub that goes on answering 401 is believed after one repetition."""
    hub_double.faults["services"] = [401, 401, 401]
    with pytest.raises(HubProblemError) as refusal:
        hub.services()
    assert refusal.value.problem.status == 401
    assert hub_double.count("services") == 2


def test_terminal_that_was_revoked_hears_so(hub: Hub, hub_double: Any) -> None:
    """When the hub knows the key no longer, the error says that the terminal is not accepted."""
    hub_double.keys.clear()
    with pytest.raises(HubProblemError) as refusal:
        hub.services()
    assert refusal.value.problem.code == "terminal_not_accepted"
    assert refusal.value.problem.extensions == {"oauth_error": "invalid_client"}


def test_assertion_with_another_key_is_refused_by_the_double(
    enrolled: Enrolment, hub_double: Any, clock: Any, transport: httpx.WSGITransport
) -> None:
    """The double is no rubber stamp: an assertion of a foreign key gets no token."""
    foreign = DeviceKey.generate()
    with Hub(enrolled, foreign, clock=clock, transport=transport) as hub, pytest.raises(HubProblemError):
        hub.services()
    assert hub_double.tokens == {}


def test_threads_share_one_token(enrolled: Enrolment, state: StateDirectory, hub_double: Any, clock: Any) -> None:
    """Eight threads that begin at once fetch one token between them."""
    transport = httpx.WSGITransport(app=hub_double)
    with Hub(enrolled, state.load()[1], clock=clock, transport=transport) as hub:
        threads = [threading.Thread(target=hub.services) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (hub_double.count("token"), hub_double.count("services")) == (1, 8)


def test_two_requests_that_met_401_fetch_one_token(enrolled: Enrolment, state: StateDirectory, clock: Any) -> None:
    """The second of two refused requests takes the token that the first has fetched in the meantime."""
    auth = TerminalAuth(enrolled, state.load()[1], clock=clock)
    requests = [httpx.Request("GET", f"{ORIGIN}/api/v1/services") for _ in range(2)]
    first, second = (auth.sync_auth_flow(request) for request in requests)
    refused = httpx.Response(401)

    def token(name: str) -> httpx.Response:
        return httpx.Response(200, json={"access_token": name, "expires_in": 300})

    assert next(first).url.path.endswith("/token")
    first.send(token("old"))
    assert next(second).headers["Authorization"] == "Bearer old"
    assert first.send(refused).url.path.endswith("/token")
    assert first.send(token("new")).headers["Authorization"] == "Bearer new"
    assert second.send(refused).headers["Authorization"] == "Bearer new"


def test_language_is_passed_on(hub: Hub, hub_double: Any) -> None:
    """The page's Accept-Language reaches the hub as it is."""
    hub.services(language="ja-Hira, en;q=0.5")
    assert hub_double.languages[-1] == "ja-Hira, en;q=0.5"


def test_answers_that_are_none_are_typed_errors(hub: Hub, hub_double: Any) -> None:
    """HTML instead of JSON, a bare 500 and a broken connection: each has its own error."""
    hub_double.faults["services"] = ["garbage", 500, "lost-after"]
    with pytest.raises(HubAnswerError):
        hub.services()
    with pytest.raises(HubProblemError) as refusal:
        hub.services()
    assert refusal.value.problem.status == 500
    with pytest.raises(HubUnreachableError) as lost:
        hub.services()
    assert lost.value.sent


@pytest.mark.parametrize(("status", "error"), [(302, HubAnswerError), (418, HubProblemError)])
def test_redirects_are_not_followed(status: int, error: type[Exception]) -> None:
    """A redirect is refused instead of carrying a token elsewhere; any other status is a problem."""
    calls = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.host)
        return httpx.Response(status, headers={"Location": "https://evil.example/"})

    with HubHttp(ORIGIN, transport=httpx.MockTransport(answer)) as http, pytest.raises(error):
        http.get("/api/v1/services")
    assert calls == ["hub.example.jp"]


def test_refused_connection_says_that_nothing_was_sent() -> None:
    """Nobody listens: the request surely did not arrive, and that is what the error says."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with HubHttp(f"http://127.0.0.1:{port}") as http, pytest.raises(HubUnreachableError) as failure:
        http.get("/api/v1/services")
    assert not failure.value.sent


def test_logs_show_no_token(hub: Hub, hub_double: Any, caplog: pytest.LogCaptureFixture) -> None:
    """At the most talkative level no access token, assertion or key comes into a log."""
    caplog.set_level(logging.DEBUG)
    hub.services()
    (token,) = hub_double.tokens
    assert token not in caplog.text
    assert "client_assertion" not in caplog.text
