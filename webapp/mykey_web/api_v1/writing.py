"""The routes of card writing: a terminal begins a writing, relays APDUs, and learns how it ended.

The secure channel runs in the core; what passes here is protected by it and not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import g
from pydantic import BaseModel, Field

from mykey_core.card_writing.counter import CardCounter, WritingOrder, WritingView
from mykey_core.card_writing.errors import WritingCode, WritingRefused
from mykey_core.card_writing.journal import WritingJournal
from mykey_core.card_writing.plan import Operation
from mykey_core.card_writing.profiles import CardData
from mykey_core.hub import Hub
from mykey_core.keys.provider import FIRST_EPOCH, Purpose
from mykey_web import problems
from mykey_web.api_v1.models import Model

_MAX_APDU = 2 * 65_544  # hexadecimal digits of the longest extended APDU
_Apdu = Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2})+$", min_length=4, max_length=_MAX_APDU)]
_Operation = Literal["write", "suspend", "resume", "delete", "move-out", "check"]
_Takes = Callable[[APIBlueprint, type[BaseModel]], Callable[[Callable[..., Any]], Callable[..., Any]]]
_CARD = b"card\x00"  # keeps the keyed hashes of cards apart from those of credentials


class WritingRequest(Model):
    """What shall be done. `values`, `value` (yen), `rides` and `period` are for `write`.

    `with_value`: a deletion may destroy a value, because its refund has been settled.
    """

    operation: _Operation
    plugin: str = Field(default="", max_length=64)
    values: dict[str, str | int] = Field(default_factory=dict, max_length=32)
    value: int = 0
    rides: int = 0
    period: int = 0
    with_value: bool = False
    dry_run: bool = False


class ResponsesRequest(Model):
    """The card's answers to the commands number `sequence`; none and 0 to begin. `card_gone`: it was taken away."""

    sequence: int = Field(ge=0)
    responses: list[_Apdu] = Field(default_factory=list, max_length=64)
    card_gone: bool = False


class ApprovalRequest(Model):
    """A second person approves; who it is follows from the terminal."""


class WritingReply(Model):
    """Where a writing stands. `commands` are C-APDUs in hexadecimal digits, sent in order and answered together."""

    writing_id: str
    state: Literal["open", "approval", "done", "unknown", "refused", "quarantined"]
    sequence: int
    commands: list[str]
    plan: list[str]
    card: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None


def add_writing_routes(api: APIBlueprint, hub: Hub, takes: _Takes) -> None:
    """Add the routes; `takes` gives a view its checked body."""
    desk = _Desk(hub)

    @api.post("/card-writings")
    @takes(api, WritingRequest)
    @api.output(WritingReply, status_code=201)
    @api.doc(security="terminal", tags=["card writing"])
    def begin_writing(body: WritingRequest) -> WritingReply:
        """Begin to write a card; nothing is sent to it before the first request for commands."""
        return _reply(desk.counter.begin(g.terminal, desk.order(body)))

    @api.post("/card-writings/<writing_id>/responses")
    @takes(api, ResponsesRequest)
    @api.output(WritingReply)
    @api.doc(security="terminal", tags=["card writing"])
    def exchange(writing_id: str, body: ResponsesRequest) -> WritingReply:
        """Hand in the card's answers and get the next commands; the same number again gets the same commands."""
        responses = tuple(map(bytes.fromhex, body.responses))
        view = desk.counter.exchange(g.terminal, _id(writing_id), body.sequence, responses, card_gone=body.card_gone)
        return _reply(view)

    @api.post("/card-writings/<writing_id>/approval")
    @takes(api, ApprovalRequest)
    @api.output(WritingReply)
    @api.doc(security="terminal", tags=["card writing"])
    def approve(writing_id: str, body: ApprovalRequest) -> WritingReply:  # noqa: ARG001 - empty for now
        """Approve a writing that needs a second person, at another terminal."""
        return _reply(desk.counter.approve(g.terminal, _id(writing_id)))

    @api.get("/card-writings/<writing_id>")
    @api.output(WritingReply)
    @api.doc(security="terminal", tags=["card writing"])
    def find_writing(writing_id: str) -> WritingReply:
        """Where a writing stands, for a terminal that lost its way."""
        return _reply(desk.counter.find(g.terminal, _id(writing_id)))


class _Desk:
    """The hub's counter, put together when it is used first: most hubs write no cards and have no keys for it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    @cached_property
    def counter(self) -> CardCounter:
        hub, town = self._hub, self._hub.settings.municipality
        return CardCounter(
            database=hub.database,
            municipality=town,
            journal=WritingJournal(hub.database, town, hub.clock, self._reference),
            settings=hub.settings.card_writing,
            profiles=self._profiles,
            keys=lambda: hub.settings.card_writing.open_keys(town),
        )

    @cached_property
    def _profiles(self) -> dict[str, Any]:
        plugins = self._hub.plugins.plugins.items()
        found = {name: plugin.context.manifest.card_profile for name, plugin in plugins}
        return {name: profile for name, profile in found.items() if profile is not None}

    def _reference(self, serial: bytes) -> bytes:
        return self._hub.people.keys.mac(Purpose.CREDENTIAL, FIRST_EPOCH, _CARD + serial)

    def order(self, body: WritingRequest) -> WritingOrder:
        """The body as the core takes it."""
        data = None
        profile = self._profiles.get(body.plugin)
        operation = Operation(body.operation)
        if operation is Operation.WRITE and profile is not None:
            values = profile.values_from_json(body.values)
            data = CardData(values, value=body.value, rides=body.rides, period=body.period)
        return WritingOrder(operation, body.plugin, data, with_value=body.with_value, dry_run=body.dry_run)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise WritingRefused(WritingCode.WRITING_UNKNOWN) from error


def _reply(view: WritingView) -> WritingReply:
    problem = problems.problem_body(view.code, problems.request_language()) if view.code else None
    return WritingReply(
        writing_id=str(view.id),
        state=view.state,  # type: ignore[arg-type]
        sequence=view.sequence,
        commands=[command.hex() for command in view.commands],
        plan=list(view.plan),
        card=dict(view.card) if view.card is not None else None,
        problem=problem,
    )
