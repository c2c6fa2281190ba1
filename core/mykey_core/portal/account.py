"""What a citizen sees and decides about their own record: services, links, consents, delegations, export, leaving.

Everything is asked by person, which only the core can do; pages put it into words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select

from mykey_core.audit.access import AccessEntry, access_list
from mykey_core.audit.records import append
from mykey_core.consent.delegation import ENDED, Delegation, Delegations
from mykey_core.consent.errors import ConsentDenied
from mykey_core.consent.ledger import GRANTED, ConsentEntry, ConsentLedger
from mykey_core.errors import Refusal
from mykey_core.hub import Hub
from mykey_core.identity.credentials import StoredCredential
from mykey_core.identity.tables import former_subject
from mykey_core.plugins.answers import Obligations
from mykey_core.plugins.arguments import IdentityChange, IdentityReason
from mykey_core.plugins.json_values import Json
from mykey_core.plugins.loader import LoadedPlugin
from mykey_core.plugins.manifest import Purpose
from mykey_core.portal.messages import Message, Messages
from mykey_core.portal.sign_in import SECTOR, SignIns
from mykey_core.storage.session import Session
from mykey_core.storage.tables import pairwise
from mykey_core.translations import Text


@dataclass(frozen=True, slots=True)
class ServiceLink:
    """A plugin that knows the person. `loaded` is None when it is not active any more; `subject` is its pairwise id."""

    plugin: str
    subject: str
    since: datetime
    loaded: LoadedPlugin | None
    can_export: bool


@dataclass(frozen=True, slots=True)
class ConsentState:
    """One purpose of one plugin: what the newest entry says, and whether it counts now."""

    plugin: LoadedPlugin
    purpose: Purpose
    newest: ConsentEntry | None
    valid: bool
    refusal: str | None


class Account:
    """One person's record in one municipality. Methods that write are one commit each."""

    def __init__(self, hub: Hub, sign_ins: SignIns, person_id: UUID) -> None:
        self._hub = hub
        self._sign_ins = sign_ins
        self._town = hub.settings.municipality
        self._person = person_id
        self._ledger = ConsentLedger(self._town)

    # -- services and links -------------------------------------------------------------------------------

    def services(self, session: Session) -> list[ServiceLink]:
        """The services that know the person, by name."""
        own = (pairwise.c.municipality == self._town) & (pairwise.c.person_id == self._person)
        found = select(pairwise.c.plugin, pairwise.c.subject, pairwise.c.created_at)
        rows = session.execute(found.where(own, pairwise.c.plugin != SECTOR).order_by(pairwise.c.plugin))
        return [self._link(row) for row in rows]

    def others(self, session: Session) -> list[LoadedPlugin]:
        """The town's services that do not know the person yet."""
        known = {link.plugin for link in self.services(session)}
        return [plugin for name, plugin in sorted(self._hub.plugins.plugins.items()) if name not in known]

    def credentials(self, session: Session) -> list[StoredCredential]:
        """What proves the person: certificates of cards, and a MyKey ID."""
        return self._hub.people.credentials.of_person(session, self._person)

    def obligations(self, session: Session, link: ServiceLink) -> Sequence[Text]:
        """What the person has to settle with a service before they may leave it."""
        shredder: object = self._hub.plugins.shredder(link.plugin)
        if link.loaded is None or not isinstance(shredder, Obligations):
            return ()
        with self._hub.plugins.opened(link.loaded, session) as database:
            return shredder.open_obligations(link.subject, database)

    def leave(self, plugin: str) -> int:
        """Delete what a service holds of the person, end its consents and its link; the number of rows.

        `service_kept` when the service is not active or cannot delete: the office has to do it. `service_obligations`
        while the person still has to give something back or to pay.
        """
        now = self._hub.clock()
        shredder = self._hub.plugins.shredder(plugin)
        loaded = self._hub.plugins.plugins.get(plugin)
        if shredder is None or loaded is None:
            raise Refusal("service_kept")
        with self._hub.database.writing() as session:
            link = next((one for one in self.services(session) if one.plugin == plugin), None)
            if link is None:
                raise Refusal("service_kept")
            if self.obligations(session, link):
                raise Refusal("service_obligations")
            with self._hub.plugins.opened(loaded, session) as database:
                rows = shredder.shred(link.subject, database)
            self._end_consents(session, loaded, now)
            change = IdentityChange(self._town, link.subject, IdentityReason.WITHDRAWN, now)
            self._hub.plugins.identity_ended(plugin, change, session)
            self._unlink(session, link, now)
            facts = {"subject": self._sign_ins.subject_of(session, self._person, now), "plugin": plugin, "rows": rows}
            append(session, self._town, now, "portal.service_deleted", facts)
            return rows

    # -- consents -----------------------------------------------------------------------------------------

    def consents(self, session: Session) -> list[ConsentState]:
        """Every purpose of every active plugin, with what was agreed to."""
        newest = {(entry.plugin, entry.purpose): entry for entry in self._ledger.history(session, self._person)}
        found = []
        for name, plugin in sorted(self._hub.plugins.plugins.items()):
            for purpose in plugin.context.manifest.purposes:
                refusal = self._refusal(session, name, purpose)
                found.append(ConsentState(plugin, purpose, newest.get((name, purpose.name)), refusal is None, refusal))
        return found

    def decide_consent(self, plugin: str, purpose: str, *, agree: bool) -> None:
        """Agree to a purpose as it reads now, or withdraw; `purpose_unknown` for one that nobody declares."""
        now = self._hub.clock()
        wanted = self._purpose(plugin, purpose)
        act = self._ledger.grant if agree else self._ledger.withdraw
        with self._hub.database.writing() as session:
            act(session, self._person, plugin, wanted, at=now)

    def history(self, session: Session) -> list[ConsentEntry]:
        """All decisions, oldest first."""
        return self._ledger.history(session, self._person)

    # -- delegations, accesses, messages ------------------------------------------------------------------

    def delegations(self, session: Session) -> list[tuple[Delegation, bool]]:
        """(newest entry of each delegation, whether it runs), the newest first; of both sides."""
        now = self._hub.clock()
        newest = {one.delegation_id: one for one in Delegations(self._town).of_person(session, self._person)}
        runs = [(one, one.act != ENDED and now < one.ends_at) for one in newest.values()]
        return sorted(runs, key=lambda line: line[0].id, reverse=True)

    def end_delegation(self, delegation_id: UUID) -> None:
        """End one, as either side may."""
        with self._hub.database.writing() as session:
            Delegations(self._town).end(session, delegation_id, by=self._person, at=self._hub.clock(), actor="person")

    def acts_for(self, delegation: Delegation) -> bool:
        """True where the person is the one who acts."""
        return delegation.delegate_id == self._person

    def accesses(self) -> list[AccessEntry]:
        """Everybody who had to do with the record, the newest first."""
        return access_list(self._hub.database, self._town, self._person, self._hub.clock())

    def messages(self, session: Session) -> list[Message]:
        """What the town and its services have written, the newest first."""
        return Messages(self._town).of_person(session, self._person)

    def read_message(self, message_id: UUID) -> bool:
        """Note that a message was read."""
        with self._hub.database.writing() as session:
            return Messages(self._town).mark_read(session, self._person, message_id, self._hub.clock())

    # -- export -------------------------------------------------------------------------------------------

    def export(self) -> dict[str, Json]:
        """Everything that the hub and its active plugins hold of the person, as JSON; recorded in the audit log."""
        now = self._hub.clock()
        with self._hub.database.writing() as session:
            facts = {"subject": self._sign_ins.subject_of(session, self._person, now)}
            append(session, self._town, now, "portal.exported", facts)
        accesses = [entry.as_json() for entry in self.accesses()]
        with self._hub.database.reading() as session:
            return {
                "municipality": self._town,
                "exported_at": now.isoformat(),
                "credentials": [_credential(one) for one in self.credentials(session)],
                "services": [self._service_export(session, link) for link in self.services(session)],
                "consents": [entry.as_json() for entry in self.history(session)],
                "delegations": [self._delegation(one, runs=runs) for one, runs in self.delegations(session)],
                "messages": [_message(one) for one in self.messages(session)],
                "accesses": accesses,
            }

    # -- inside -------------------------------------------------------------------------------------------

    def _link(self, row: Any) -> ServiceLink:
        can_export = self._hub.plugins.shredder(row.plugin) is not None
        return ServiceLink(
            row.plugin, row.subject, row.created_at, self._hub.plugins.plugins.get(row.plugin), can_export
        )

    def _service_export(self, session: Session, link: ServiceLink) -> Json:
        shredder = self._hub.plugins.shredder(link.plugin)
        data: Json = None
        if shredder is not None and link.loaded is not None:
            with self._hub.plugins.opened(link.loaded, session) as database:
                data = shredder.export(link.subject, database)
        return {"service": link.plugin, "pairwise_id": link.subject, "since": link.since.isoformat(), "data": data}

    def _delegation(self, delegation: Delegation, *, runs: bool) -> Json:
        side = "delegate" if self.acts_for(delegation) else "principal"
        whole: Mapping[str, Json] = delegation.as_json()
        return {name: value for name, value in whole.items() if name not in {"principal", "delegate"}} | {
            "own_side": side,
            "runs": runs,
        }

    def _purpose(self, plugin: str, purpose: str) -> Purpose:
        loaded = self._hub.plugins.plugins.get(plugin)
        declared = () if loaded is None else loaded.context.manifest.purposes
        found = next((one for one in declared if one.name == purpose), None)
        if found is None:
            raise Refusal("purpose_unknown")
        return found

    def _refusal(self, session: Session, plugin: str, purpose: Purpose) -> str | None:
        try:
            self._ledger.check(session, self._person, plugin, purpose, self._hub.clock())
        except ConsentDenied as denied:
            return denied.code
        return None

    def _end_consents(self, session: Session, plugin: LoadedPlugin, now: datetime) -> None:
        newest = {(one.plugin, one.purpose): one.act for one in self._ledger.history(session, self._person)}
        for purpose in plugin.context.manifest.purposes:
            if newest.get((plugin.context.name, purpose.name)) == GRANTED:
                self._ledger.withdraw(session, self._person, plugin.context.name, purpose, at=now)

    def _unlink(self, session: Session, link: ServiceLink, now: datetime) -> None:
        """The id is kept among the former ones, so that the person still sees what was done under it."""
        own = (pairwise.c.municipality == self._town) & (pairwise.c.person_id == self._person)
        session.execute(delete(pairwise).where(own, pairwise.c.plugin == link.plugin))
        former = (former_subject.c.municipality == self._town) & (former_subject.c.plugin == link.plugin)
        known = select(former_subject.c.person_id).where(former, former_subject.c.subject == link.subject)
        if session.execute(known).first() is None:
            values = {"municipality": self._town, "plugin": link.plugin, "subject": link.subject}
            session.execute(insert(former_subject).values(**values, person_id=self._person, replaced_at=now))


def _credential(stored: StoredCredential) -> Json:
    return {
        "kind": stored.kind.value,
        "status": stored.status.value,
        "evidence": str(stored.evidence),
        "valid_until_year": None if stored.not_after is None else stored.not_after.year,
        "since": stored.created_at.isoformat(),
    }


def _message(message: Message) -> Json:
    return {
        "sender": message.sender,
        "sent_at": message.sent_at.isoformat(),
        "read_at": None if message.read_at is None else message.read_at.isoformat(),
        "content": {language: dict(words) for language, words in message.content.items()},
    }
