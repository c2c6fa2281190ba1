"""What hangs on a plugin's context: events, jobs, audit, its card slot, and the people of a tap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from mykey_core.audit.events import CODE, SUBJECT, EventType, FactType, register
from mykey_core.audit.records import append
from mykey_core.card_writing.profiles import CardData, CardProfile, Value
from mykey_core.card_writing.slot_proofs import SlotEvidence, SlotProof
from mykey_core.clock import Clock, system_clock
from mykey_core.consent.attributes import Attribute
from mykey_core.consent.attributes import Value as AttributeValue
from mykey_core.consent.people import DelegatedPerson, TapPeople
from mykey_core.outbox.events import emit
from mykey_core.plugins.database import PluginDatabase, core_session
from mykey_core.plugins.errors import PluginError
from mykey_core.plugins.jobs import JOB_EVENT, queue_of
from mykey_core.plugins.json_values import Json
from mykey_core.portal.messages import Messages
from mykey_core.storage.session import Session
from mykey_core.storage.tables import pairwise
from mykey_core.terminals.configuration import allow_card, deny_card
from mykey_core.translations import LANGUAGES, Catalogue, Text, load_catalogue

_MOST_DETAILS = 16


def _is_details(value: object) -> bool:
    """Machine words, whole numbers and flags under names of machine words."""
    return (
        isinstance(value, dict)
        and len(value) <= _MOST_DETAILS
        and all(CODE.accepts(name) for name in value)
        and all(isinstance(line, (bool, int)) or CODE.accepts(line) for line in value.values())
    )


DETAILS = FactType("codes and numbers by name", _is_details)
register(EventType("plugin.recorded", {"plugin": CODE, "action": CODE}, {"subject": SUBJECT, "details": DETAILS}))


@dataclass(slots=True)
class Host:
    """What the hub gives to all contexts.

    The clock, who hears which event (known once all are loaded), and the check of cards' proofs.
    """

    clock: Clock = system_clock
    subscribers: Callable[[str], tuple[str, ...]] = field(default=lambda _: ())
    proofs: Callable[[str, int, SlotProof], SlotEvidence] | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """`context.events`."""

    plugin: str
    host: Host

    def publish(
        self, name: str, data: Mapping[str, Json], database: PluginDatabase, *, subject: str | None = None
    ) -> None:
        """Tell the plugins that ask for `name` (`<plugin>.<what>`), once the transaction is committed.

        `data` hold no personal data. Every receiver sees its own pairwise id in place of `subject`, if it has one.
        """
        if not name.startswith(f"{self.plugin}."):
            raise PluginError(self.plugin, f"an event of this plugin is called '{self.plugin}.…', and not '{name}'")
        subscribers = self.host.subscribers(name)
        if not subscribers:
            return
        with core_session(database) as session:
            person = None if subject is None else _person(session, database, subject)
            now = self.host.clock()
            emit(session, database.municipality, now, name, subscribers=subscribers, person_id=person, facts=data)


@dataclass(frozen=True, slots=True)
class Jobs:
    """`context.jobs`."""

    plugin: str
    names: tuple[str, ...]
    host: Host

    def enqueue(self, name: str, arguments: Mapping[str, Json], database: PluginDatabase) -> None:
        """Have the job `name` of the manifest run once, after the transaction is committed."""
        if name not in self.names:
            raise PluginError(self.plugin, f"its manifest names no job '{name}'")
        facts = {"job": name, "arguments": dict(arguments)}
        with core_session(database) as session:
            now, queue = self.host.clock(), [queue_of(self.plugin)]
            emit(session, database.municipality, now, JOB_EVENT, subscribers=queue, facts=facts)


@dataclass(frozen=True, slots=True)
class Audit:
    """`context.audit`."""

    plugin: str
    host: Host

    def record(
        self,
        action: str,
        database: PluginDatabase,
        subject: str | None = None,
        details: Mapping[str, str | int | bool] | None = None,
    ) -> None:
        """Record an act in the audit log, in the same commit; `action` and all texts in `details` are machine words.

        `AuditSchemaError` for anything else: nothing personal gets into the log. With `subject` the person sees it.
        """
        facts = {"plugin": self.plugin, "action": action, "subject": subject, "details": dict(details or {})}
        with core_session(database) as session:
            append(session, database.municipality, self.host.clock(), "plugin.recorded", facts)


@dataclass(frozen=True, slots=True)
class PortalMessages:
    """`context.messages`: a message for one person, read in the portal and nowhere else."""

    plugin: str
    package: str
    host: Host

    def send(self, subject: str, title: Text, text: Text, database: PluginDatabase) -> bool:
        """Leave a message, in every language, for whom the plugin knows as `subject`, in the same commit.

        False when that pairwise id has ended. The audit log says that there was a message, and not what it said.
        """
        catalogue = load_catalogue(self.package, self.plugin)
        content = {language: _words(catalogue, language, title, text) for language in LANGUAGES}
        with core_session(database) as session:
            person = _person(session, database, subject)
            if person is None:
                return False
            messages = Messages(database.municipality)
            messages.send(session, person, subject, content, at=self.host.clock(), sender=self.plugin)
        return True


def _words(catalogue: Catalogue, language: str, title: Text, text: Text) -> dict[str, str]:
    parts = {"title": title, "text": text}
    return {name: catalogue.get(part.key, language, part.values) for name, part in parts.items()}


@dataclass(frozen=True, slots=True)
class CardSlot:
    """`context.card`: the plugin's own slot, as its manifest declares it."""

    plugin: str
    profile: CardProfile
    host: Host = field(default_factory=Host, repr=False)

    @property
    def slot(self) -> int:
        """The number of the service on the card."""
        return self.profile.service

    def data(self, values: Mapping[str, Value], *, value: int = 0, rides: int = 0, period: int = 0) -> CardData:
        """Data for a card, checked against the profile; `WritingRefused` (`profile_does_not_fit`) when it is not."""
        made = CardData(values, value=value, rides=rides, period=period)
        self.profile.image(0, made)
        return made

    def check(self, proof: SlotProof) -> SlotEvidence:
        """Whether a card made the receipt that a terminal without a network recorded; with the card's alias.

        `PluginError` where there is no hub around (a command of the plugin).
        """
        if self.host.proofs is None:
            raise PluginError(self.plugin, "only a hub can check what cards answered")
        return self.host.proofs(self.plugin, self.slot, proof)

    def deny(self, alias: str, reason: str, database: PluginDatabase) -> None:
        """Have all terminals refuse what carries this alias, also those without a network, from their next contact on.

        `alias` is that of a card, or a word that the plugin has written into the slot; `reason` is a machine word.
        """
        with core_session(database) as session:
            at, actor = self.host.clock(), f"plugin:{self.plugin}"
            deny_card(session, database.municipality, alias, reason=reason, at=at, actor=actor)

    def allow(self, alias: str, database: PluginDatabase) -> bool:
        """End a denial; False when there was none."""
        with core_session(database) as session:
            at, actor = self.host.clock(), f"plugin:{self.plugin}"
            return allow_card(session, database.municipality, alias, at=at, actor=actor)


@dataclass(frozen=True, slots=True)
class PluginPeople:
    """`context.people`: the person of the tap, and those for whom that person may act. See `consent.people`."""

    people: TapPeople
    database: PluginDatabase | None = None

    def attributes(self, purpose: str) -> Mapping[Attribute, AttributeValue | None]:
        """The attributes of a declared purpose, or `ConsentDenied` with the reason."""
        with self._core():
            return self.people.attributes(purpose)

    def delegations(self) -> tuple[DelegatedPerson, ...]:
        """For whom the person of the tap may act in this plugin now."""
        with self._core():
            return self.people.delegations()

    def acting_for(self, subject: str, service: str) -> DelegatedPerson:
        """The delegation to act for `subject` in `service`, or `ConsentDenied`."""
        with self._core():
            return self.people.acting_for(subject, service)

    def subject_of_mykey_id(self, mykey_id: str) -> str | None:
        """The pairwise id of whoever is enrolled with this MyKey ID, for links that a service takes over; or None."""
        with self._core():
            return self.people.subject_of_mykey_id(mykey_id)

    def _core(self) -> AbstractContextManager[object]:
        return nullcontext() if self.database is None else core_session(self.database)


def _person(session: Session, database: PluginDatabase, subject: str) -> UUID | None:
    own = (pairwise.c.municipality == database.municipality) & (pairwise.c.plugin == database.plugin)
    row = session.execute(select(pairwise.c.person_id).where(own, pairwise.c.subject == subject)).first()
    return None if row is None else UUID(str(row.person_id))
