"""Becoming a terminal: a device key, one request with the one-time code, and what the hub said in return.

The state directory then holds `device-key.pem` (secret) and `terminal.json` (no secret).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue, ValidationError

from mykey_terminal.device_key import DeviceKey, TerminalKey
from mykey_terminal.errors import AlreadyEnrolledError, HubAddressError, HubAnswerError, NotEnrolledError, StateError
from mykey_terminal.files import check_private, make_private_directory, write_private
from mykey_terminal.hub_address import hub_origin_and_path, same_origin
from mykey_terminal.hub_door import HubDoor
from mykey_terminal.hub_http import API, HubHttp
from mykey_terminal.token_key import TokenDeviceKey, TokenPlace
from mykey_terminal.version import VERSION

if TYPE_CHECKING:
    from datetime import datetime

    import httpx

    from mykey_terminal.clock import Clock

_KEY_FILE = "device-key.pem"
_TOKEN_FILE = "device-key.json"  # noqa: S105 - a file's name
_TERMINAL_FILE = "terminal.json"


class Enrolment(BaseModel):
    """What the hub and the terminal agreed on. `hub_origin` is the only origin a card may sign for.

    `configuration_key` is the public key by which the hub's configurations are known; None for a terminal of an
    earlier version, which keeps the first one that it is shown. `hub_path` stands before the
    API where several towns share the origin, else it is empty. `door` is how this computer reaches the hub.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    hub_origin: str
    hub_path: str = ""
    terminal_id: str
    municipality: JsonValue
    service_point: dict[str, JsonValue]
    services: list[str]
    token_endpoint: str
    audience: str
    configuration_key: dict[str, str] | None = None
    name: str
    enrolled_at: AwareDatetime
    door: HubDoor = HubDoor()


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """The folder of one terminal (mode 0700)."""

    path: Path

    @property
    def cards(self) -> Path:
        """Where the virtual reader keeps its cards, so that counters of tries survive."""
        return self.path / "cards"

    @property
    def pending(self) -> Path:
        """Where taps are noted whose outcome is not known yet."""
        return self.path / "pending"

    @property
    def writings(self) -> Path:
        """Where card writings are noted that have not come to their end."""
        return self.path / "writings"

    @property
    def queue(self) -> Path:
        """The file of the signed offline queue."""
        return self.path / "queue" / "queue.sqlite3"

    @property
    def debit_keys(self) -> Path:
        """The debit keys with which cards are used without the hub; secret."""
        return self.path / "debit-keys.json"

    @property
    def card_taps(self) -> Path:
        """The journal of transactions on cards without the hub."""
        return self.path / "card-taps" / "taps.sqlite3"

    @property
    def open_page(self) -> Path:
        """A private page that leads the kiosk's browser to the service point, paired."""
        return self.path / "open.html"

    @property
    def configuration(self) -> Path:
        """The newest configuration that the hub signed."""
        return self.path / "configuration.json"

    def load(self) -> tuple[Enrolment, TerminalKey]:
        """Read the terminal. Raises `NotEnrolledError` when there is none, `StateError` when it is damaged."""
        terminal = self.path / _TERMINAL_FILE
        if not terminal.exists():
            raise NotEnrolledError("no terminal is enrolled here (`mykey terminal enrol`)", path=self.path)
        check_private(self.path)
        try:
            enrolment = Enrolment.model_validate_json(terminal.read_bytes())
        except ValidationError:
            raise StateError("is damaged; restore it or enrol again", path=terminal) from None
        except OSError as error:
            raise StateError(f"cannot be read ({error.strerror})", path=terminal) from error
        return enrolment, self._key()

    def _key(self) -> TerminalKey:
        place = self.path / _TOKEN_FILE
        if place.exists():
            return TokenDeviceKey(TokenPlace.load(place))
        return DeviceKey.load(self.path / _KEY_FILE)

    def save(self, enrolment: Enrolment) -> None:
        """Write `terminal.json`, whole or not at all."""
        text = json.dumps(enrolment.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n"
        write_private(self.path / _TERMINAL_FILE, text.encode())

    def key_to_enrol(self, token: TokenPlace | None = None) -> TerminalKey:
        """The key of an enrolment that was begun here, or a new one.

        The key is on disk before the hub hears of it: when the hub's answer is lost, the same code can be
        sent again with the same key. With `token` it is made there, and the folder holds its place only.
        """
        make_private_directory(self.path)
        if (self.path / _TERMINAL_FILE).exists():
            raise AlreadyEnrolledError("a terminal is enrolled here already", path=self.path)
        if token is not None:
            made = TokenDeviceKey(token, make=True)
            token.save(self.path / _TOKEN_FILE)
            return made
        file = self.path / _KEY_FILE
        if file.exists():
            return DeviceKey.load(file)
        key = DeviceKey.generate()
        key.save(file)
        return key


def enrol(
    address: str,
    code: str,
    state: StateDirectory,
    *,
    name: str,
    clock: Clock,
    transport: httpx.BaseTransport | None = None,
    language: str | None = None,
    token: TokenPlace | None = None,
    door: HubDoor | None = None,
) -> Enrolment:
    """Enrol with a one-time code and store the terminal in `state`; `door` is how it reaches the hub from now on.

    Raises `HubAddressError`, `StateError`, and `HubError` (`HubProblemError` for a wrong or used code).
    """
    origin, path = hub_origin_and_path(address)
    door = door or HubDoor()
    transport = transport or door.transport(origin)
    key = state.key_to_enrol(token)
    request = {"code": code, "public_key": key.public_jwk, "name": name, "version": VERSION}
    with HubHttp(origin + path, transport=transport) as http:
        answer = http.post(f"{API}/terminals/enrolments", request, language=language)
    enrolment = _from_answer(answer, origin=origin, path=path, name=name, now=clock())
    enrolment = enrolment.model_copy(update={"door": door})
    state.save(enrolment)
    return enrolment


def _from_answer(answer: dict[str, Any], *, origin: str, path: str, name: str, now: datetime) -> Enrolment:
    own = answer.get("origin", origin)
    if own != origin:
        # Every tap would be refused later, since a card signs for the enrolled origin only.
        raise HubAddressError(f"the hub calls itself {own!r}: enrol with that address")
    endpoint = answer.get("token_endpoint")
    if isinstance(endpoint, str):
        endpoint = urljoin(f"{origin}/", endpoint)
    ours = {"hub_origin": origin, "hub_path": path, "name": name, "enrolled_at": now, "token_endpoint": endpoint}
    try:
        enrolment = Enrolment.model_validate({**answer, **ours})
    except ValidationError:
        raise HubAnswerError("the hub's answer to the enrolment is incomplete") from None
    if not same_origin(enrolment.token_endpoint, origin):
        # An assertion sent elsewhere would still be bound to its audience; a hub that asks for it is wrong.
        raise HubAnswerError("the hub names a token endpoint that is not its own")
    return enrolment
