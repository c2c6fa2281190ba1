"""`mykey terminal doctor`: every condition of a working terminal, one check each. Wording is in `doctor.toml`."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import httpx

from mykey_cardap.cli.wording import language_of_environment
from mykey_cardap.errors import CardError, NoReaderError
from mykey_cardap.pcsc import list_readers
from mykey_cardap.pcsc.codes import Code
from mykey_cardap.pcsc.winscard import ReaderState
from mykey_terminal.configuration import ConfigurationStore
from mykey_terminal.device_key import TerminalKey
from mykey_terminal.enrolment import Enrolment, StateDirectory
from mykey_terminal.errors import (
    HubAnswerError,
    HubError,
    HubProblemError,
    NotEnrolledError,
    StateError,
    TerminalError,
    UnsafePermissionsError,
)
from mykey_terminal.hub import Hub
from mykey_terminal.hub_address import is_loopback
from mykey_terminal.queue import OfflineQueue

POLICY_FOLDERS = tuple(
    Path(folder)
    for folder in (
        "/etc/chromium/policies/managed",
        "/etc/opt/chrome/policies/managed",
        "/etc/opt/edge/policies/managed",
    )
)
_POLICIES = ("LocalNetworkAccessAllowedForUrls", "LoopbackNetworkAllowedForUrls")
_CLOCK_SECONDS = 30
"""Beyond this the hub takes no assertion of this terminal any more (leeway of the token endpoint)."""
_LEAST_SPACE = 200 * 1024 * 1024
_SERVICE_GONE = frozenset({Code.NO_SERVICE, Code.SERVICE_STOPPED})


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `key` is the wording in `doctor.toml`; `values` fill it in and hold nothing secret."""

    key: str
    state: Literal["good", "warning", "bad"]
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Findings:
    """All checks in the order in which one would look."""

    all: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether the terminal cannot work as it is."""
        return any(finding.state == "bad" for finding in self.all)

    def as_json(self) -> list[dict[str, Any]]:
        """JSON values."""
        return [{"check": one.key, "state": one.state, **one.values} for one in self.all]

    def text(self, language: str | None = None) -> str:
        """One paragraph for each check: a sign, what is the case, and what to do about it."""
        words = _words()[language or language_of_environment()]
        signs = {"good": "○", "warning": "△", "bad": "×"}
        return "\n".join(f"{signs[one.state]} {words[one.key].format(**one.values)}" for one in self.all)


def examine(
    state: StateDirectory,
    *,
    port: int,
    readers: Callable[[], list[ReaderState]] | None = list_readers,
    policies: tuple[Path, ...] = POLICY_FOLDERS,
    transport: httpx.BaseTransport | None = None,
) -> Findings:
    """Look at everything; `readers` None: the tray of emulated cards is used. What cannot be looked at is a finding."""
    found = [Finding("reader_virtual", "good")] if readers is None else [*_readers(readers)]
    loaded = _enrolment(state, found)
    if loaded is not None:
        enrolment, key = loaded
        found += [_space(state), _queue(state, enrolment, key)]
        found += _hub(state, enrolment, key, transport)
        found.append(_policy(enrolment, policies))
    found.append(_port(port))
    return Findings(tuple(found))


def _readers(readers: Callable[[], list[ReaderState]]) -> Iterator[Finding]:
    try:
        found = readers()
    except NoReaderError as error:
        gone = getattr(error, "code", None) in _SERVICE_GONE or "library" in str(error)
        yield Finding("pcscd_missing" if gone else "reader_missing", "bad")
        return
    except CardError as error:
        denied = getattr(error, "code", None) == Code.SECURITY_VIOLATION
        yield Finding("reader_denied" if denied else "reader_error", "bad")
        return
    if not found:
        yield Finding("reader_missing", "bad")
        return
    yield Finding("reader_found", "good", {"readers": ", ".join(reader.reader for reader in found)})


def _enrolment(state: StateDirectory, found: list[Finding]) -> tuple[Enrolment, TerminalKey] | None:
    try:
        loaded = state.load()
    except NotEnrolledError:
        found.append(Finding("not_enrolled", "bad", {"path": str(state.path)}))
    except UnsafePermissionsError as error:
        found.append(Finding("state_unsafe", "bad", {"path": str(error.path)}))
    except StateError as error:
        found.append(Finding("state_damaged", "bad", {"path": str(error.path)}))
    else:
        point = str(loaded[0].service_point.get("name", ""))
        found.append(Finding("enrolled", "good", {"point": point, "hub": loaded[0].hub_origin}))
        return loaded
    return None


def _space(state: StateDirectory) -> Finding:
    free = shutil.disk_usage(state.path).free
    megabytes = {"megabytes": str(free // 1024 // 1024)}
    return Finding("space", "good", megabytes) if free > _LEAST_SPACE else Finding("space_short", "warning", megabytes)


def _queue(state: StateDirectory, enrolment: Enrolment, key: TerminalKey) -> Finding:
    try:
        with OfflineQueue(state.queue, key, terminal_id=enrolment.terminal_id) as queue:
            pending = queue.counts()["pending"]
    except TerminalError:
        return Finding("queue_damaged", "bad", {"path": str(state.queue)})
    return Finding("queue", "good" if not pending else "warning", {"pending": str(pending)})


def _hub(
    state: StateDirectory, enrolment: Enrolment, key: TerminalKey, transport: httpx.BaseTransport | None
) -> Iterator[Finding]:
    values = {"hub": enrolment.door.address or enrolment.hub_origin}
    try:
        way = transport or enrolment.door.transport(enrolment.hub_origin)
    except StateError as error:
        yield Finding("door", "bad", {"path": str(error.path)})
        return
    try:
        with httpx.Client(transport=way, timeout=10, trust_env=not _is_here(enrolment)) as client:
            response = client.head(enrolment.hub_origin + enrolment.hub_path + "/api/v1/services")
    except httpx.ConnectError as error:
        yield Finding("certificate" if _is_about_tls(error) else "hub_unreachable", "bad", values)
        return
    except httpx.HTTPError:
        yield Finding("hub_unreachable", "bad", values)
        return
    yield Finding("hub", "good", values)
    yield from _clock(response)
    yield _accepted(enrolment, key, transport)
    yield _news(state, enrolment)


def _clock(response: httpx.Response) -> Iterator[Finding]:
    try:
        theirs = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError, TypeError):
        return
    seconds = round((datetime.now(UTC) - theirs).total_seconds())
    state: Literal["good", "bad"] = "good" if abs(seconds) <= _CLOCK_SECONDS else "bad"
    yield Finding("clock" if state == "good" else "clock_wrong", state, {"seconds": str(seconds)})


def _accepted(enrolment: Enrolment, key: TerminalKey, transport: httpx.BaseTransport | None) -> Finding:
    try:
        with Hub(enrolment, key, transport=transport) as hub:
            hub.services()
    except HubProblemError as error:
        return Finding("not_accepted", "bad", {"code": error.problem.code})
    except (HubError, HubAnswerError):
        return Finding("hub_unreachable", "bad", {"hub": enrolment.hub_origin})
    return Finding("accepted", "good")


def _news(state: StateDirectory, enrolment: Enrolment) -> Finding:
    try:
        current = ConfigurationStore(state, enrolment).current
    except TerminalError:
        return Finding("configuration_refused", "bad")
    if current is None:
        return Finding("configuration_missing", "warning")
    stale = current.is_stale(datetime.now(UTC))
    values = {"as_of": current.as_of.astimezone().strftime("%Y-%m-%d %H:%M")}
    return Finding("configuration_stale" if stale else "configuration", "warning" if stale else "good", values)


def _port(port: int) -> Finding:
    values = {"port": str(port)}
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return Finding("agent_missing", "warning", values)
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/agent/v1/status", timeout=2, trust_env=False)
        ours = answer.json().get("code") == "agent_origin"  # the agent refuses whoever is no page of the hub
    except (httpx.HTTPError, ValueError, AttributeError):
        ours = False
    return Finding("agent", "good", values) if ours else Finding("agent_port_taken", "bad", values)


def _policy(enrolment: Enrolment, folders: tuple[Path, ...]) -> Finding:
    values = {"hub": enrolment.hub_origin}
    if _is_here(enrolment):
        return Finding("policy_not_needed", "good", values)
    granted = any(_grants(file, enrolment.hub_origin) for folder in folders for file in folder.glob("*.json"))
    return Finding("policy", "good", values) if granted else Finding("policy_missing", "warning", values)


def _grants(file: Path, origin: str) -> bool:
    try:
        policy = json.loads(file.read_text(encoding="utf-8"))
        return any(origin in policy.get(name, []) or "*" in policy.get(name, []) for name in _POLICIES)
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _is_here(enrolment: Enrolment) -> bool:
    return is_loopback(httpx.URL(enrolment.hub_origin).host)


def _is_about_tls(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) or "CERTIFICATE_VERIFY" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


@cache
def _words() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("mykey_terminal").joinpath("doctor.toml").read_text(encoding="utf-8"))
