"""`mykey identity`: persons and their credentials, life events and renewals. JSON in, JSON out."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from pydantic import model_validator

from mykey_cardap.kinds import CertificateKind
from mykey_core.errors import Refusal
from mykey_core.hub import Hub
from mykey_core.identity.cli_base import (
    Der,
    Input,
    config_option,
    input_argument,
    json_command,
    opened,
    proof_of,
    read_input,
    validated,
)
from mykey_core.identity.cli_consent import consent, delegation
from mykey_core.identity.cli_keys import keys
from mykey_core.identity.enrolment import Enrolment
from mykey_core.identity.errors import IdentityRefused
from mykey_core.identity.life import Happening, LifeRegister
from mykey_core.identity.renewal import Linked, Renewals
from mykey_core.identity.states import EventKind, Evidence

Json = dict[str, Any]


@click.group()
def identity() -> None:
    """Persons, their credentials, and what happens to them."""


identity.add_command(keys)
identity.add_command(consent)
identity.add_command(delegation)


class _Wanted(Input):
    """By exactly one of: the certificate of a card, a MyKey ID, our own id."""

    certificate: Der | None = None
    mykey_id: str | None = None
    person: UUID | None = None

    @model_validator(mode="after")
    def _is_one(self) -> _Wanted:
        if sum(value is not None for value in (self.certificate, self.mykey_id, self.person)) != 1:
            raise ValueError("name exactly one of certificate, mykey_id, person")
        return self


@identity.command()
@config_option
@input_argument
@json_command
def show(config: Path, source: Any) -> Json:
    """Show a person: state, credentials, history. Input: {"certificate"} or {"mykey_id"} or {"person"}."""
    wanted = read_input(source, _Wanted)
    with opened(config) as hub, hub.database.reading() as session:
        person = wanted.person or _find(hub, session, wanted)
        life = LifeRegister(hub.people)
        return {
            "person": str(person),
            "state": life.state(session, person).value,
            "credentials": [own.as_json() for own in hub.people.credentials.of_person(session, person)],
            "history": [event.as_json() for event in life.history(session, person)],
        }


def _find(hub: Hub, session: Any, wanted: _Wanted) -> UUID:
    if wanted.certificate is not None:
        certificate = validated(hub.settings, wanted.certificate, hub.clock())
        found = hub.people.credentials.find(session, certificate)
    else:
        found = hub.people.credentials.find_mykey_id(session, wanted.mykey_id or "")
    if found is None:
        raise Refusal("not_registered")
    return found.person_id


class _Enrolment(Input):
    """Either both tokens of one card over one nonce, or a MyKey ID and the member of staff."""

    nonce: str | None = None
    authentication_token: Json | None = None
    signature_token: Json | None = None
    mykey_id: str | None = None
    person: UUID | None = None
    actor: str | None = None


@identity.command()
@config_option
@input_argument
@json_command
def enrol(config: Path, source: Any) -> Json:
    """Enrol by both certificates of a card, or by MyKey ID.

    Input: {"nonce", "authentication_token", "signature_token"} or {"mykey_id", "actor", "person"?}.
    """
    given = read_input(source, _Enrolment)
    with opened(config) as hub:
        ways = Enrolment(hub.people)
        if given.mykey_id is not None:
            return {"person": str(_by_mykey_id(hub, ways, given, given.mykey_id))}
        if given.nonce is None or given.authentication_token is None or given.signature_token is None:
            raise Refusal("input_invalid", "nonce, authentication_token, signature_token")
        authentication = proof_of(hub, CertificateKind.AUTHENTICATION, given.authentication_token, given.nonce)
        signature = proof_of(hub, CertificateKind.SIGNATURE, given.signature_token, given.nonce)
        person = hub.database.commit(lambda session: ways.by_signature(session, authentication, signature))
        return {"person": str(person)}


def _by_mykey_id(hub: Hub, ways: Enrolment, given: _Enrolment, mykey_id: str) -> UUID:
    actor, now, person = given.actor or "", hub.clock(), given.person
    if person is None:
        return hub.database.commit(lambda session: ways.by_mykey_id(session, mykey_id, at=now, actor=actor))
    hub.database.commit(lambda session: ways.add_mykey_id(session, person, mykey_id, at=now, actor=actor))
    return person


class _Happening(Input):
    """A life event: what, to whom, who says so."""

    person: UUID
    kind: EventKind
    actor: str
    approved_by: str | None = None
    effective_on: date | None = None
    credential: UUID | None = None


@identity.command()
@config_option
@input_argument
@json_command
def record(config: Path, source: Any) -> Json:
    """Record a life event.

    Input: {"person", "kind", "actor", "effective_on"?, "credential"?, "approved_by"?}.
    """
    given = read_input(source, _Happening)
    with opened(config) as hub:
        happening = Happening(
            given.kind,
            hub.clock(),
            given.actor,
            approved_by=given.approved_by,
            effective_on=given.effective_on,
            credential=given.credential,
        )
        life = LifeRegister(hub.people)
        return hub.database.commit(lambda session: life.record(session, given.person, happening)).as_json()


class _Reversal(Input):
    event: UUID
    actor: str


@identity.command()
@config_option
@input_argument
@json_command
def reverse(config: Path, source: Any) -> Json:
    """Take a recorded event back. Input: {"event", "actor"}."""
    given = read_input(source, _Reversal)
    with opened(config) as hub:
        life, now = LifeRegister(hub.people), hub.clock()
        event = hub.database.commit(lambda session: life.reverse(session, given.event, at=now, actor=given.actor))
        return event.as_json()


class _Link(Input):
    """What each kind of evidence needs: see `mykey identity link --help`."""

    evidence: Evidence
    certificate: Der | None = None
    old_credential: UUID | None = None
    actor: str | None = None
    approved_by: str | None = None
    nonce: str | None = None
    old_token: Json | None = None
    new_token: Json | None = None
    signature_token: Json | None = None


@identity.command()
@config_option
@input_argument
@json_command
def link(config: Path, source: Any) -> Json:
    """Link a renewed certificate to the person of the old one.

    \b
    Input, by "evidence":
      STAFF_COUNTER       {"old_credential", "certificate", "actor"}
      JPKI_OLDNEW_SERIAL  {"certificate"}
      SAME_CARD_SESSION   {"nonce", "old_token", "new_token"}
      SIGNED_4INFO_MATCH  {"old_credential", "nonce", "new_token", "signature_token", "actor", "approved_by"}
    """  # noqa: D301 - click wants the character, not the escape
    given = read_input(source, _Link)
    with opened(config) as hub:
        linked = _LINKS[given.evidence](hub, Renewals(hub.people, hub.settings.identity.open_notices()), given)
    if linked is None:
        raise IdentityRefused("credential_unknown", "the issuer knows of no earlier certificate that is linked here")
    event = linked.event and str(linked.event)
    return {"credential": str(linked.credential), "person": str(linked.person), "event": event}


def _needed(value: Any, name: str) -> Any:
    if value is None:
        raise Refusal("input_invalid", name)
    return value


def _by_staff(hub: Hub, renewals: Renewals, given: _Link) -> Linked:
    certificate = validated(hub.settings, _needed(given.certificate, "certificate"), hub.clock())
    old, actor, now = _needed(given.old_credential, "old_credential"), given.actor or "", hub.clock()
    return hub.database.commit(lambda session: renewals.by_staff(session, old, certificate, at=now, actor=actor))


def _by_notice(hub: Hub, renewals: Renewals, given: _Link) -> Linked | None:
    certificate = validated(hub.settings, _needed(given.certificate, "certificate"), hub.clock())
    return renewals.by_notice(hub.database, certificate, hub.clock())


def _by_session(hub: Hub, renewals: Renewals, given: _Link) -> Linked:
    kind, nonce = CertificateKind.AUTHENTICATION, _needed(given.nonce, "nonce")
    old = proof_of(hub, kind, _needed(given.old_token, "old_token"), nonce)
    new = proof_of(hub, kind, _needed(given.new_token, "new_token"), nonce)
    return hub.database.commit(lambda session: renewals.by_session(session, old, new))


def _by_attributes(hub: Hub, renewals: Renewals, given: _Link) -> Linked:
    nonce, old = _needed(given.nonce, "nonce"), _needed(given.old_credential, "old_credential")
    new = proof_of(hub, CertificateKind.AUTHENTICATION, _needed(given.new_token, "new_token"), nonce)
    signature = proof_of(hub, CertificateKind.SIGNATURE, _needed(given.signature_token, "signature_token"), nonce)
    names = {"actor": given.actor or "", "approved_by": given.approved_by or ""}
    return hub.database.commit(lambda session: renewals.by_attributes(session, old, new, signature, **names))


_LINKS = {
    Evidence.STAFF_COUNTER: _by_staff,
    Evidence.JPKI_OLDNEW_SERIAL: _by_notice,
    Evidence.SAME_CARD_SESSION: _by_session,
    Evidence.SIGNED_4INFO_MATCH: _by_attributes,
}
