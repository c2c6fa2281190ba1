"""The routes of card writing: a terminal begins a writing, relays APDUs, and learns how it ended.

The secure channel runs in the core; what passes here is protected by it and not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import g
from pydantic import BaseModel, Field

from mykey_cardap.service_application.numbers import Kind
from mykey_core.card_writing.card_taps import TapOrder
from mykey_core.card_writing.counter import CardCounter, WritingOrder
from mykey_core.card_writing.errors import WritingCode, WritingRefused
from mykey_core.card_writing.live import WritingView
from mykey_core.card_writing.office import open_counter, profile_data
from mykey_core.card_writing.plan import Operation
from mykey_core.card_writing.profiles import CardField
from mykey_core.errors import Refusal
from mykey_core.hub import Hub
from mykey_core.portal.vouchers import MAX_LENGTH, ClerkVouchers
from mykey_web import problems
from mykey_web.api_v1.conditional import may_be_kept
from mykey_web.api_v1.models import Model
from mykey_web.api_v1.paging import PageQuery, cut, paged
from mykey_web.sessions.browser import portal

_MAX_APDU = 2 * 65_544  # hexadecimal digits of the longest extended APDU
_Apdu = Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2})+$", min_length=4, max_length=_MAX_APDU)]
_Operation = Literal["write", "suspend", "resume", "delete", "move-out", "check", "rotate", "raise-floor"]
_Clerk = Annotated[str, Field(max_length=MAX_LENGTH)] | None
_Takes = Callable[[APIBlueprint, type[BaseModel]], Callable[[Callable[..., Any]], Callable[..., Any]]]


class WritingRequest(Model):
    """What shall be done. `values`, `value` (yen), `rides` and `period` are for `write`.

    With the `visit_id` of a tap, the plugin hands over the data for that person, and `values` are what it asked for.
    `with_value`: a deletion may destroy a value, because its refund has been settled. `shared_with`: towns whose
    cards may be written, too, out of those that the settings name. `clerk` is the voucher of whoever is signed in in
    the browser at this terminal; here and below, the record then names them.
    """

    operation: _Operation
    plugin: str = Field(default="", max_length=64)
    values: dict[str, str | int] = Field(default_factory=dict, max_length=32)
    value: int = 0
    rides: int = 0
    period: int = 0
    with_value: bool = False
    dry_run: bool = False
    visit_id: str | None = Field(default=None, max_length=64)
    clerk: _Clerk = None
    shared_with: list[Annotated[str, Field(pattern=r"^[0-9]{6}$")]] = Field(default_factory=list, max_length=64)


class TapOrderRequest(Model):
    """A transaction with a service on the card: amounts in yen; `period` is the card's own when it is left out."""

    plugin: str = Field(max_length=64)
    kind: Literal["ride", "debit", "credit", "refund", "grant"]
    total: int = Field(default=0, ge=0, le=0xFFFFFFFF)
    amount: int = Field(default=0, ge=0, le=0xFFFFFFFF)
    period: int | None = Field(default=None, ge=0, le=0xFFFF)


class ReleaseRequest(Model):
    """Why a card may leave quarantine: what was found out, as a word of the list."""

    evidence: Literal["card-examined", "terminal-fault", "key-restored", "card-restored"]
    clerk: _Clerk = None


class ReleaseReply(Model):
    """`asked`: a second terminal has to agree with the same evidence."""

    writing_id: str
    state: Literal["asked", "released"]


class CardFieldView(Model):
    """One value that the counter asks for, or the plugin hands over."""

    name: str
    title: str
    type: str
    size: int


class CardProfileView(Model):
    """What a plugin may have written on cards. `from_plugin`: it hands the data over for a person who has tapped.

    `services` are the plugin's own; a tap with one of them gives the visit for which it does.
    """

    plugin: str
    title: str
    service: str
    label: str
    fields: list[CardFieldView]
    upper: int
    allowance: int
    from_plugin: bool
    services: list[str]


class CardProfilesReply(Model):
    """Everything that a card counter can write; `four_eyes` are operations that a second terminal approves."""

    profiles: list[CardProfileView]
    four_eyes: list[str]
    shared_with: list[str]
    next: str | None = None


class ResponsesRequest(Model):
    """The card's answers to the commands number `sequence`; none and 0 to begin. `card_gone`: it was taken away."""

    sequence: int = Field(ge=0)
    responses: list[_Apdu] = Field(default_factory=list, max_length=64)
    card_gone: bool = False


class ApprovalRequest(Model):
    """A second person approves; who it is follows from the terminal and from the clerk's voucher."""

    clerk: _Clerk = None


class WritingReply(Model):
    """Where a writing stands. `commands` are C-APDUs in hexadecimal digits, sent in order and answered together."""

    writing_id: str
    state: Literal["open", "approval", "done", "unknown", "refused", "quarantined"]
    sequence: int
    commands: list[str]
    plan: list[str]
    steps_done: int = 0
    card: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
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
    def approve(writing_id: str, body: ApprovalRequest) -> WritingReply:
        """Approve a writing that needs a second person, at another terminal."""
        return _reply(desk.counter.approve(g.terminal, _id(writing_id), desk.staff(body.clerk)))

    @api.post("/card-writings/<writing_id>/release")
    @takes(api, ReleaseRequest)
    @api.output(ReleaseReply)
    @api.doc(security="terminal", tags=["card writing"])
    def release(writing_id: str, body: ReleaseRequest) -> ReleaseReply:
        """Let the card of a writing leave quarantine, with what was found out about it."""
        state = desk.counter.release(g.terminal, _id(writing_id), body.evidence, desk.staff(body.clerk))
        return ReleaseReply(writing_id=writing_id, state=state)  # type: ignore[arg-type]

    @api.post("/card-taps")
    @takes(api, TapOrderRequest)
    @api.output(WritingReply, status_code=201)
    @api.doc(security="terminal", tags=["card writing"])
    def begin_card_tap(body: TapOrderRequest) -> WritingReply:
        """Begin a transaction with a service on the card, without PIN; it is relayed like a writing."""
        order = TapOrder(body.plugin, Kind[body.kind.upper()], body.total, body.amount, body.period)
        return _reply(desk.counter.begin_tap(g.terminal, order))

    @api.get("/card-profiles")
    @paged(api)
    @api.output(CardProfilesReply)
    @api.doc(security="terminal", tags=["card writing"])
    def card_profiles(page: PageQuery) -> CardProfilesReply:
        """What can be written on cards here."""
        may_be_kept()
        return desk.profiles(page)

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
        return open_counter(self._hub)

    def staff(self, voucher: str | None) -> str | None:
        """The audit's word for the clerk of a voucher; `sign_in_needed` without one, where the town wants it."""
        if voucher is None and self._hub.settings.card_writing.clerk_required:
            raise Refusal("sign_in_needed", "the town wants a clerk to be signed in")
        if voucher is None:
            return None
        here = portal()
        vouchers = ClerkVouchers(self._hub.database, self._hub.settings.municipality, here.sessions)
        return vouchers.redeem(voucher, g.terminal.id, self._hub.clock()).actor

    def order(self, body: WritingRequest) -> WritingOrder:
        """The body as the core takes it."""
        staff = self.staff(body.clerk)
        operation = Operation(body.operation)
        data, subject = profile_data(
            self._hub,
            self.counter.profiles.get(body.plugin) if operation is Operation.WRITE else None,
            body.plugin,
            body.values,
            numbers=(body.value, body.rides, body.period),
            visit=_id(body.visit_id, WritingCode.VISIT_ENDED) if body.visit_id else None,
            terminal=g.terminal.id,
        )
        return WritingOrder(
            operation,
            body.plugin,
            data,
            with_value=body.with_value,
            dry_run=body.dry_run,
            shared_with=frozenset(body.shared_with),
            subject=subject,
            staff=staff,
        )

    def profiles(self, page: PageQuery) -> CardProfilesReply:
        """The profiles of the active plugins, worded for the request."""
        settings = self._hub.settings.card_writing
        language = problems.request_language()
        names, following = cut(sorted(self.counter.profiles), page, str)
        return CardProfilesReply(
            profiles=[self._profile(name, language) for name in names],
            four_eyes=sorted(map(str, settings.four_eyes)),
            shared_with=sorted(settings.shared_with),
            next=following,
        )

    def _profile(self, name: str, language: str) -> CardProfileView:
        plugin = self._hub.plugins.plugins[name]
        profile = self.counter.profiles[name]
        return CardProfileView(
            plugin=name,
            title=_in_language(plugin.context.manifest.title, language),
            service=f"{profile.service:04X}",
            label=profile.label,
            fields=[_field(line, language) for line in profile.fields],
            upper=profile.limits.upper,
            allowance=profile.limits.allowance,
            from_plugin=hasattr(plugin.manager.hook, "mykey_card_profile")
            and bool(plugin.manager.hook.mykey_card_profile.get_hookimpls()),
            services=[service.name for service in plugin.context.manifest.services],
        )


def _field(line: CardField, language: str) -> CardFieldView:
    title = _in_language(line.title, language) or line.name
    return CardFieldView(name=line.name, title=title, type=line.type, size=line.size)


def _in_language(texts: Mapping[Any, str], language: str) -> str:
    return texts.get(language) or texts.get("ja", "")


def _id(text: str, code: WritingCode = WritingCode.WRITING_UNKNOWN) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise WritingRefused(code) from error


def _reply(view: WritingView) -> WritingReply:
    problem = problems.problem_body(view.code, problems.request_language()) if view.code else None
    return WritingReply(
        writing_id=str(view.id),
        state=view.state,  # type: ignore[arg-type]
        sequence=view.sequence,
        commands=[command.hex() for command in view.commands],
        plan=list(view.plan),
        steps_done=view.steps_done,
        result=dict(view.result) if view.result is not None else None,
        card=dict(view.card) if view.card is not None else None,
        problem=problem,
    )
