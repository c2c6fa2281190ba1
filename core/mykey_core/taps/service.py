"""The tap from challenge to commit. The plugin's writes, the consumed nonce and the audit record are one commit.

Checks come in the order of architecture §2; whatever refuses a proof also uses up its nonce.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from uuid_utils.compat import uuid7

from mykey_core.audit.records import append, exists
from mykey_core.authentication.errors import TokenRefused
from mykey_core.authentication.evidence import evidence_of, lines_of
from mykey_core.authentication.nonce import new_nonce
from mykey_core.authentication.verifier import TokenVerifier, VerifiedToken
from mykey_core.clock import Clock
from mykey_core.consent.attributes import VerifiedAttributes
from mykey_core.consent.errors import ConsentDenied
from mykey_core.consent.people import TapPeople
from mykey_core.consent.presentation import AttributeReader
from mykey_core.identity.errors import IdentityRefused, RenewalUnavailable
from mykey_core.identity.people import People
from mykey_core.identity.renewal import Renewals
from mykey_core.plugins.arguments import TapRequest
from mykey_core.plugins.errors import PluginFault
from mykey_core.plugins.manifest import Action
from mykey_core.plugins.runtime import PluginRuntime, Route
from mykey_core.storage.database import Database
from mykey_core.storage.errors import Superseded
from mykey_core.storage.housekeeping import forget_expired
from mykey_core.storage.idempotency import IdempotencyKey, claim, find_answer, keep_answer
from mykey_core.storage.session import Session
from mykey_core.taps import store
from mykey_core.taps.errors import TapRefused
from mykey_core.taps.inputs import checked_input
from mykey_core.taps.replies import Challenge, TapReply, TapStatus, reply_of, stored_answer
from mykey_core.taps.residence import Residence
from mykey_core.taps.wording import result_as_json
from mykey_core.terminals.registry import Terminal
from mykey_core.trust.revocation.budget import RiskClass

NONCE_LIFETIME = timedelta(minutes=5)  # authentication-hub §2.1
FORGET_EVERY = timedelta(minutes=10)  # replies that were shown at a counter can hold attributes of a person


class TapService:
    """The taps of one municipality."""

    def __init__(
        self,
        *,
        database: Database,
        municipality: str,
        clock: Clock,
        verifiers: Mapping[RiskClass, TokenVerifier],
        people: People,
        plugins: PluginRuntime,
        residence: Residence,
        origin: str,
        renewals: Renewals | None = None,
        attributes: AttributeReader | None = None,
    ) -> None:
        self._database = database
        self._municipality = municipality
        self._clock = clock
        self._verifiers = verifiers
        self._people = people
        self._plugins = plugins
        self._residence = residence
        self._origin = origin
        self._renewals = renewals or Renewals(people)
        self._attributes = attributes
        self._forgot = clock()
        self.told: Callable[[str, str], None] | None = None
        """Hears of each tap's service and how it ended (`done` or the code of the refusal), for figures."""

    def begin(
        self,
        terminal: Terminal,
        service: str,
        action: str,
        values: Mapping[str, Any],
        key: IdempotencyKey | None = None,
    ) -> Challenge:
        """Check what is asked for and issue a challenge for it; the input is bound to the nonce from here on."""
        route, wanted = self._route(terminal, service, action)
        if wanted.subject not in {"registered", "enrol"}:
            raise TapRefused("action_unknown", "this action needs no tap")
        now = self._clock()
        if now - self._forgot >= FORGET_EVERY:
            self._forgot = now
            self.forget_old()
        answered = find_answer(self._database, self._municipality, key, now)
        if answered is not None:
            return self._open_challenge(terminal, UUID(answered["tap_id"]), route, now)
        row = store.TapRow(
            uuid7(), terminal.id, service, action, checked_input(wanted, values), new_nonce(), "open",
            now + NONCE_LIFETIME, None,
        )  # fmt: skip

        def unit(session: Session) -> None:
            claim(session, self._municipality, key, now)
            store.insert_tap(session, self._municipality, now, row)
            keep_answer(session, self._municipality, key, {"tap_id": str(row.id)})

        self._database.commit(unit)
        return Challenge(row.id, row.nonce, self._origin, row.expires_at, route.service.needs)

    def prove(
        self,
        terminal: Terminal,
        tap_id: UUID,
        token: dict[str, Any],
        attributes: Mapping[str, Any] | None = None,
        key: IdempotencyKey | None = None,
    ) -> TapReply:
        """Check the proof and act on it; `TokenRefused`, `TapRefused` or `StorageUnavailable` otherwise."""
        now = self._clock()
        answered = find_answer(self._database, self._municipality, key, now)
        if answered is not None:
            return reply_of(tap_id, answered)
        row = self._open_tap(terminal, tap_id, now)
        try:
            route, action = self._route(terminal, row.service, row.action)
            verified = self._verifiers[route.policy.risk].verify_members(token, row.nonce, now)
            self._follow_renewal(verified, now)
            presented = self._presented(attributes, row.nonce, now)

            def unit(session: Session) -> TapReply:
                claim(session, self._municipality, key, now)
                reply = self._act_for_card(session, terminal, route, action, row, verified, now, presented)
                keep_answer(session, self._municipality, key, stored_answer(reply))
                return reply

            reply = self._database.commit(unit, self._was_made)
        except (TokenRefused, TapRefused) as refusal:
            self._refuse(terminal, row, refusal, now)
        except Superseded as second:
            self._refuse(terminal, row, TapRefused("tap_used"), now, cause=second)
        except (PluginFault, ConsentDenied) as fault:
            self._refuse(terminal, row, _refusal_of(fault), now, cause=fault)
        if self.told is not None:
            self.told(row.service, "done")
        return reply

    def find(self, terminal: Terminal, tap_id: UUID) -> TapStatus:
        """What became of a tap of this terminal."""
        row = store.read_tap(self._database, self._municipality, tap_id)
        if row is None:
            raise TapRefused("tap_unknown")
        if row.terminal_id != terminal.id:
            raise TapRefused("tap_of_another_terminal")
        expired = row.state == "open" and self._clock() >= row.expires_at
        return TapStatus(tap_id, "expired" if expired else row.state, row.result)

    def act(
        self,
        terminal: Terminal,
        service: str,
        action: str,
        values: Mapping[str, Any],
        visit_id: UUID | None,
        key: IdempotencyKey | None = None,
    ) -> TapReply:
        """An action without a new tap: for the person of a running visit, or of the staff alone."""
        route, wanted = self._route(terminal, service, action)
        if wanted.subject not in {"visit", "none"}:
            raise TapRefused("action_unknown", "this action needs a tap")
        checked = checked_input(wanted, values)
        now = self._clock()
        answered = find_answer(self._database, self._municipality, key, now)
        if answered is not None:
            return reply_of(None, answered)
        try:
            with self._database.writing() as session:
                claim(session, self._municipality, key, now)
                subject = self._visitor(session, terminal, route, visit_id, now) if wanted.subject == "visit" else None
                request = self._request(terminal, route, wanted, checked, subject, now)
                result = self._plugins.tap(route, request, session, self._people_of(route, request, session))
                facts = self._facts(terminal, service, action, result.code) | {"subject": subject}
                record = append(session, self._municipality, now, "action.done", facts)
                reply = TapReply(None, result_as_json(result), None, record)
                keep_answer(session, self._municipality, key, stored_answer(reply))
                return reply
        except (PluginFault, ConsentDenied) as fault:
            refusal = _refusal_of(fault)
            facts = self._facts(terminal, service, action, refusal.code)
            with self._database.writing() as session:
                append(session, self._municipality, now, "action.refused", facts)
            raise refusal from fault

    def end_visit(self, terminal: Terminal, visit_id: UUID) -> None:
        """The card has left the reader: nothing more can be done for its holder."""
        with self._database.writing() as session:
            store.end_visit(session, self._municipality, visit_id, terminal.id)

    def forget_old(self) -> int:
        """Delete old taps and visits with what they held, and whatever else has expired; the number of taps.

        Done every ten minutes: between taps, and by `upkeep` where there are none.
        """
        with self._database.writing() as session:
            forget_expired(session, self._municipality, self._clock())
            return store.forget_old(session, self._municipality, self._clock())

    # -- inside ------------------------------------------------------------------------------------------

    def _route(self, terminal: Terminal, service: str, action: str) -> tuple[Route, Action]:
        if service not in terminal.services:
            raise TapRefused("service_not_allowed")
        route = self._plugins.route(service)
        if route is None:
            raise TapRefused("service_unavailable")
        if not route.is_offered_at(terminal.service_point):
            raise TapRefused("service_not_allowed")
        wanted = route.service.action(action)
        if wanted is None:
            raise TapRefused("action_unknown")
        return route, wanted

    def _was_made(self, session: Session, reply: TapReply) -> bool:
        """After a commit whose answer was lost: wait for the tap's row, then see whether this very record is there."""
        if reply.tap_id is not None:
            store.take(session, self._municipality, reply.tap_id)
        return exists(session, self._municipality, reply.audit.id)

    def _open_challenge(self, terminal: Terminal, tap_id: UUID, route: Route, now: datetime) -> Challenge:
        """The challenge of a tap that was asked for before; refused when it is used or over."""
        row = self._open_tap(terminal, tap_id, now)
        return Challenge(row.id, row.nonce, self._origin, row.expires_at, route.service.needs)

    def _open_tap(self, terminal: Terminal, tap_id: UUID, now: datetime) -> store.TapRow:
        row = store.read_tap(self._database, self._municipality, tap_id)
        if row is None:
            raise TapRefused("tap_unknown")
        if row.terminal_id != terminal.id:
            raise TapRefused("tap_of_another_terminal")
        if row.state != "open":
            raise TapRefused("tap_used")
        if now >= row.expires_at:
            raise TapRefused("tap_expired")
        return row

    def _act_for_card(
        self,
        session: Session,
        terminal: Terminal,
        route: Route,
        action: Action,
        row: store.TapRow,
        verified: VerifiedToken,
        now: datetime,
        presented: VerifiedAttributes | None,
    ) -> TapReply:
        if not store.hold(session, self._municipality, row.id):
            raise TapRefused("tap_used")
        subject, is_new = self._subject(session, route, action, verified, now)
        request = self._request(terminal, route, action, row.input, subject, now, is_new=is_new)
        result = self._plugins.tap(route, request, session, self._people_of(route, request, session, presented))
        reply = result_as_json(result)
        if result.opens_visit:
            reply["visit"] = self._open_visit(session, terminal, route, subject, now)
        facts = self._facts(terminal, row.service, row.action, result.code) | {
            "tap": str(row.id),
            "subject": subject,
            **evidence_of(verified),
        }
        record = append(session, self._municipality, now, "tap.done", facts)
        store.finish(session, self._municipality, row.id, "done", reply)
        return TapReply(row.id, reply, verified, record)

    def _subject(
        self, session: Session, route: Route, action: Action, verified: VerifiedToken, now: datetime
    ) -> tuple[str, bool]:
        if route.policy.residents_only:
            self._check_residence(verified)
        plugin = route.plugin.context.name
        known = self._people.find(session, verified.certificate, plugin)
        if known is None and action.subject != "enrol":
            raise TapRefused("not_registered", offers=_enrolling(route), checks=verified.checks)
        is_new = known is None
        if known is None:
            known = self._people.enrol(session, verified.certificate, now)
        stopped = known.refusal(residents_only=route.policy.residents_only)
        if stopped is not None:
            raise TapRefused(stopped, checks=verified.checks)
        return self._people.subject_for(session, known, plugin, now), is_new

    def _check_residence(self, verified: VerifiedToken) -> None:
        if not self._residence.known:  # the town's omission: no resident is called a stranger for it
            raise TapRefused("service_unavailable", checks=verified.checks)
        if not self._residence.covers(verified.certificate):
            raise TapRefused("other_municipality", checks=verified.checks)

    def _follow_renewal(self, verified: VerifiedToken, now: datetime) -> None:
        """Before the transaction, because an operator may be asked: a renewed card keeps its person."""
        try:
            self._renewals.before_tap(self._database, verified.certificate, now)
        except RenewalUnavailable as error:
            raise TapRefused("renewal_unavailable", error.detail, checks=verified.checks) from error
        except IdentityRefused as error:
            raise TapRefused("renewal_unclear", error.code, checks=verified.checks) from error

    def _presented(self, attributes: Mapping[str, Any] | None, nonce: str, now: datetime) -> VerifiedAttributes | None:
        """What the card has shown of its holder beside the proof; a plugin sees it by grant and consent only."""
        if attributes is None or self._attributes is None:
            return None
        return self._attributes.read(attributes, nonce, now)

    def _people_of(
        self, route: Route, request: TapRequest, session: Session, presented: VerifiedAttributes | None = None
    ) -> TapPeople:
        context = route.plugin.context
        return TapPeople(
            context.manifest, context.grants, self._people, request.subject, request.at, session, presented
        )

    def _request(
        self,
        terminal: Terminal,
        route: Route,
        action: Action,
        values: Mapping[str, str],
        subject: str | None,
        now: datetime,
        *,
        is_new: bool = False,
    ) -> TapRequest:
        return TapRequest(
            municipality=self._municipality,
            service=route.service.name,
            action=action.name,
            service_point=terminal.service_point,
            subject=subject,
            input=values,
            at=now,
            new_subject=is_new,
        )

    def _open_visit(
        self, session: Session, terminal: Terminal, route: Route, subject: str, now: datetime
    ) -> dict[str, str]:
        plugin = route.plugin.context.name
        opened = store.open_visit(session, self._municipality, terminal.id, plugin, subject, now)
        return {"id": str(opened.id), "expires_at": opened.expires_at.isoformat()}

    def _visitor(self, session: Session, terminal: Terminal, route: Route, visit_id: UUID | None, now: datetime) -> str:
        visit = visit_id and store.read_visit(session, self._municipality, visit_id, terminal.id, now)
        if not visit or visit.plugin != route.plugin.context.name:
            raise TapRefused("visit_ended")
        return visit.subject

    def _facts(self, terminal: Terminal, service: str, action: str, code: str) -> dict[str, Any]:
        return {
            "terminal": str(terminal.id),
            "service_point": terminal.service_point,
            "service": service,
            "action": action,
            "code": code,
        }

    def _refuse(
        self,
        terminal: Terminal,
        row: store.TapRow,
        refusal: TokenRefused | TapRefused,
        now: datetime,
        *,
        cause: Exception | None = None,
    ) -> NoReturn:
        facts = self._facts(terminal, row.service, row.action, refusal.code) | {
            "tap": str(row.id),
            "checks": lines_of(refusal.checks),
        }
        offers = list(refusal.offers) if isinstance(refusal, TapRefused) else []
        with self._database.writing() as session:
            if store.take(session, self._municipality, row.id):
                body = {"code": refusal.code, "offers": offers}
                store.finish(session, self._municipality, row.id, "refused", body)
            record = append(session, self._municipality, now, "tap.refused", facts)
        refusal.audit = record
        if self.told is not None:
            self.told(row.service, refusal.code)
        raise refusal from cause


def _refusal_of(fault: PluginFault | ConsentDenied) -> TapRefused:
    if isinstance(fault, ConsentDenied):
        return TapRefused(fault.code, fault.detail)
    return TapRefused("plugin_fault", fault.plugin)


def _enrolling(route: Route) -> tuple[str, ...]:
    return tuple(action.name for action in route.service.actions if action.subject == "enrol")
