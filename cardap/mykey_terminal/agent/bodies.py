"""The bodies of requests to the agent: strict JSON, checked against a model, with no input in any error.

Bodies hold PINs, so an error says where the mistake is and never what stood there.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError

from mykey_terminal.errors import AgentError

Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Value = Annotated[str, StringConstraints(max_length=2000)] | bool | int | None
Values = Annotated[dict[Name, Value], Field(max_length=32)]
_INTEGER_DIGITS = 18
_M = TypeVar("_M", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class PairBody(_Body):
    """POST /pair."""

    code: SecretStr = Field(min_length=1, max_length=64)


class InsertBody(_Body):
    """PUT /tray/inserted; null takes the card out."""

    card: Name | None


class ActionBody(_Body):
    """POST /actions. The same `request_id` again is answered again and not done again."""

    service: Name
    action: Name
    input: Values = Field(default_factory=dict)
    visit_id: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    request_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{16,64}$")] | None = None


class RecordBody(_Body):
    """POST /records: an action that concerns nobody, while the hub is away."""

    service: Name
    action: Name
    input: Annotated[dict[Name, Annotated[str, StringConstraints(max_length=1000)]], Field(max_length=16)] = Field(
        default_factory=dict
    )


class TapBody(_Body):
    """POST /taps. `pin` is kept out of `repr`; null where the service needs none."""

    service: Name
    action: Name = "open"
    input: Values = Field(default_factory=dict)
    pin: Annotated[SecretStr, Field(max_length=64)] | None = None
    allow_last_attempt: bool = False

    def pin_bytes(self) -> bytearray:
        """The PIN in a buffer that its user overwrites; what is no ASCII becomes `?`, which no PIN has.

        The text of the request stays in memory until it is collected: a JSON parser leaves no other choice.
        """
        text = "" if self.pin is None else self.pin.get_secret_value()
        return bytearray(text.encode("ascii", "replace"))


_Amount = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
_CardValue = Annotated[str, StringConstraints(max_length=200)] | int
_CardValues = Annotated[dict[Name, _CardValue], Field(max_length=32)]
_Clerk = Annotated[str, StringConstraints(min_length=1, max_length=128)] | None
_Town = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class WritingBody(_Body):
    """POST /card-writings: what shall be done with the card in the reader. The hub checks it."""

    operation: Name
    plugin: Annotated[str, StringConstraints(max_length=64)] = ""
    values: Annotated[dict[Name, Annotated[str, StringConstraints(max_length=200)] | int], Field(max_length=32)] = (
        Field(default_factory=dict)
    )
    value: int = 0
    rides: int = 0
    period: int = 0
    with_value: bool = False
    dry_run: bool = False
    visit_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    shared_with: Annotated[list[_Town], Field(max_length=64)] = Field(default_factory=list)
    clerk: _Clerk = None


class CardTapBody(_Body):
    """POST /card-taps: one transaction with a service on the card, without PIN."""

    plugin: Name
    kind: Name
    total: _Amount = 0
    amount: _Amount = 0
    period: Annotated[int, Field(ge=0, le=0xFFFF)] | None = None


class EmptyBody(_Body):
    """POST without anything to say."""


class ApprovalBody(_Body):
    """POST /card-writings/ID/approval. `clerk` is the hub's voucher for who is signed in, here and in the others."""

    clerk: _Clerk = None


class ReleaseBody(_Body):
    """POST /card-writings/ID/release: what was found out about the card."""

    evidence: Name
    clerk: _Clerk = None


class SignInBody(_Body):
    """POST /sign-ins. The nonce is base64 of at least 256 bits; `pin` is kept out of `repr`."""

    nonce: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43,198}={0,2}$", min_length=44, max_length=200)]
    pin: SecretStr = Field(max_length=64)
    allow_last_attempt: bool = False

    def pin_bytes(self) -> bytearray:
        """As `TapBody.pin_bytes`."""
        return bytearray(self.pin.get_secret_value().encode("ascii", "replace"))


Line = Annotated[str, StringConstraints(max_length=500)]


class ReceiptBlock(_Body):
    """Rows of a receipt, under headed columns or as label and value."""

    title: Line = ""
    columns: Annotated[list[Line], Field(max_length=6)] = Field(default_factory=list)
    rows: Annotated[list[Annotated[list[Line], Field(min_length=1, max_length=6)]], Field(max_length=100)]


class ReceiptBody(_Body):
    """POST /receipts: what the page shows, to be printed."""

    town: Line = ""
    point: Line = ""
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    text: Line = ""
    blocks: Annotated[list[ReceiptBlock], Field(max_length=12)] = Field(default_factory=list)


def parse(model: type[_M], raw: bytes) -> _M:
    """Read a body. Raises `AgentError` `agent_bad_request` (400) with the `member` that is wrong."""
    try:
        return model.model_validate(_strict_json(raw))
    except ValidationError as error:
        where = error.errors(include_input=False, include_url=False, include_context=False)[0]["loc"]
        # Only names of our own members are repeated; a name that the sender made up may hold anything.
        known = [str(part) for part in where[:1] if part in model.model_fields]
        raise AgentError("agent_bad_request", 400, member=".".join(known)) from None


def _strict_json(raw: bytes) -> Any:
    try:
        return json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_refuse,
            parse_float=_refuse,
            parse_int=_integer,
        )
    except (ValueError, RecursionError):
        raise AgentError("agent_bad_request", 400, member="") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _integer(text: str) -> int:
    if len(text) > _INTEGER_DIGITS:
        raise ValueError("a number is too long")
    return int(text)
