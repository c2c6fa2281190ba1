"""What a terminal asks of the hub: services, a tap, its proof, its outcome, and actions during a visit.

One method for each operation of the hub's API that a terminal may use; nothing here touches a card.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from mykey_terminal.clock import Clock, system_clock
from mykey_terminal.errors import HubAnswerError
from mykey_terminal.hub_auth import TerminalAuth
from mykey_terminal.hub_http import API, HubHttp
from mykey_terminal.relay import CardRelay

if TYPE_CHECKING:
    from types import TracebackType

    import httpx

    from mykey_terminal.device_key import TerminalKey
    from mykey_terminal.enrolment import Enrolment


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


_A = TypeVar("_A", bound=_Answer)


class Tap(_Answer):
    """A tap that the hub has opened. `needs` says what the card must do; the nonce is used once.

    The nonce has at least 44 characters (256 bits in base64): a shorter one is a mistake or an attack.
    """

    tap_id: str = Field(min_length=1, max_length=100)
    nonce: str = Field(min_length=44, max_length=200)
    origin: str
    expires_at: AwareDatetime
    needs: list[str]


class TapState(_Answer):
    """What became of a tap: `open` means that no proof has had an effect so far."""

    state: Literal["open", "done", "refused", "expired"]
    result: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None


class Hub:
    """The hub as one enrolled terminal sees it. Every method may raise `HubError`."""

    def __init__(
        self,
        enrolment: Enrolment,
        key: TerminalKey,
        *,
        clock: Clock = system_clock,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.enrolment = enrolment
        auth = TerminalAuth(enrolment, key, clock=clock)
        transport = transport or enrolment.door.transport(enrolment.hub_origin)
        self._http = HubHttp(enrolment.hub_origin + enrolment.hub_path, auth=auth, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection to the hub."""
        self._http.close()

    def services(self, *, language: str | None = None) -> dict[str, Any]:
        """The services of this service point, as the hub words them."""
        return self._http.get(f"{API}/services", language=language)

    def card_profiles(self, *, language: str | None = None) -> dict[str, Any]:
        """What this terminal may write on cards."""
        return self._http.get(f"{API}/card-profiles", language=language)

    def card_relay(self, *, language: str | None = None) -> CardRelay:
        """The relay of APDUs between the hub and a card, over this terminal's connection."""
        return CardRelay(self._http, language=language)

    def begin_tap(self, service: str, action: str, values: dict[str, Any], *, language: str | None = None) -> Tap:
        """Open a tap for an action of a service."""
        body = {"service": service, "action": action, "input": values}
        return _read(Tap, self._http.post(f"{API}/taps", body, language=language))

    def send_proof(self, tap_id: str, token: dict[str, str], *, language: str | None = None) -> TapState:
        """Send the card's signature; the hub acts on it once."""
        path = f"{API}/taps/{_segment(tap_id)}/proof"
        return _read(TapState, self._http.post(path, {"token": token}, language=language))

    def tap_state(self, tap_id: str, *, language: str | None = None) -> TapState:
        """Ask what became of a tap."""
        return _read(TapState, self._http.get(f"{API}/taps/{_segment(tap_id)}", language=language))

    def act(
        self,
        service: str,
        action: str,
        values: dict[str, Any],
        *,
        visit_id: str | None = None,
        language: str | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Do an action that needs no card (any more): during a visit, or of staff.

        Sent again with the same `key`, it is answered again (in `language`) and not done again.
        """
        body: dict[str, Any] = {"service": service, "action": action, "input": values}
        if visit_id is not None:
            body["visit_id"] = visit_id
        return self._http.post(f"{API}/actions", body, language=language, key=key)

    def upload(self, body: dict[str, Any]) -> dict[str, Any]:
        """Hand in records of the offline queue; a record that the hub knows gets its receipt again."""
        return self._http.post(f"{API}/uploads", body)

    def report(self, body: dict[str, Any]) -> dict[str, Any]:
        """Tell version and health; the answer has the number of the configuration that is valid now."""
        return self._http.post(f"{API}/terminal/report", body)

    def configuration(self) -> dict[str, Any]:
        """The signed configuration of this terminal: `configuration` is a JWS in compact form, `key` a JWK."""
        return self._http.get(f"{API}/terminal/configuration")

    def end_visit(self, visit_id: str) -> None:
        """End a visit because the card has left: what was open for one person is closed to the next."""
        self._http.delete(f"{API}/visits/{_segment(visit_id)}")


def _read(model: type[_A], document: dict[str, Any]) -> _A:
    try:
        return model.model_validate(document)
    except ValidationError:
        raise HubAnswerError("the hub's answer does not have the form of the API") from None


def _segment(text: str) -> str:
    return quote(text, safe="")
