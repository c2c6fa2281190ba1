"""`mykey identity consent` and `mykey identity delegation`: the two ledgers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from pydantic import AwareDatetime

from mykey_core.consent.delegation import DelegationKind, Delegations
from mykey_core.consent.errors import ConsentCode, ConsentDenied
from mykey_core.consent.ledger import ConsentLedger
from mykey_core.hub import Hub
from mykey_core.identity.cli_base import Input, config_option, input_argument, json_command, opened, read_input
from mykey_core.plugins.manifest import Purpose

Json = dict[str, Any]


class _Consent(Input):
    person: UUID
    plugin: str
    purpose: str
    actor: str = "person"


class _Person(Input):
    person: UUID


class _Delegation(Input):
    principal: UUID
    delegate: UUID
    kind: DelegationKind
    plugin: str
    services: list[str]
    ends_at: AwareDatetime
    actor: str


class _End(Input):
    delegation: UUID
    by: UUID | None = None
    actor: str


@click.group()
def consent() -> None:
    """What citizens have agreed to."""


@click.group()
def delegation() -> None:
    """Who may act for whom."""


def _purpose(hub: Hub, given: _Consent) -> Purpose:
    plugin = hub.plugins.plugins.get(given.plugin)
    purposes = () if plugin is None else plugin.context.manifest.purposes
    found = next((purpose for purpose in purposes if purpose.name == given.purpose), None)
    if found is None:
        raise ConsentDenied(ConsentCode.PURPOSE_UNKNOWN)
    return found


def _entered(config: Path, source: Any, act: Callable[[ConsentLedger], Callable[..., Any]]) -> Json:
    given = read_input(source, _Consent)
    with opened(config) as hub:
        purpose, ledger, now = _purpose(hub, given), ConsentLedger(hub.settings.municipality), hub.clock()
        enter = act(ledger)
        entry = hub.database.commit(
            lambda session: enter(session, given.person, given.plugin, purpose, at=now, actor=given.actor)
        )
        answer: Json = entry.as_json()
        return {**answer, "text": purpose.text}


@consent.command()
@config_option
@input_argument
@json_command
def grant(config: Path, source: Any) -> Json:
    """Enter a consent. Input: {"person", "plugin", "purpose", "actor"?}."""
    return _entered(config, source, lambda ledger: ledger.grant)


@consent.command()
@config_option
@input_argument
@json_command
def withdraw(config: Path, source: Any) -> Json:
    """Withdraw a consent, from the next question on. Input: {"person", "plugin", "purpose", "actor"?}."""
    return _entered(config, source, lambda ledger: ledger.withdraw)


@consent.command()
@config_option
@input_argument
@json_command
def history(config: Path, source: Any) -> list[Json]:
    """Show everything that a person has agreed to and withdrawn. Input: {"person"}."""
    given = read_input(source, _Person)
    with opened(config) as hub, hub.database.reading() as session:
        entries = ConsentLedger(hub.settings.municipality).history(session, given.person)
        return [entry.as_json() for entry in entries]


@delegation.command("grant")
@config_option
@input_argument
@json_command
def grant_delegation(config: Path, source: Any) -> Json:
    """Let somebody act for somebody.

    Input: {"principal", "delegate", "kind": parent|guardian|family, "plugin", "services", "ends_at", "actor"}.
    """
    given = read_input(source, _Delegation)
    with opened(config) as hub:
        ledger, now = Delegations(hub.settings.municipality), hub.clock()
        return hub.database.commit(
            lambda session: ledger.grant(
                session,
                given.principal,
                given.delegate,
                kind=given.kind,
                plugin=given.plugin,
                scope=given.services,
                at=now,
                ends_at=given.ends_at,
                actor=given.actor,
            )
        ).as_json()


@delegation.command()
@config_option
@input_argument
@json_command
def end(config: Path, source: Any) -> Json:
    """End a delegation. Input: {"delegation", "by": one of the two sides, "actor"}, or staff without "by"."""
    given = read_input(source, _End)
    with opened(config) as hub:
        ledger, now = Delegations(hub.settings.municipality), hub.clock()
        return hub.database.commit(
            lambda session: ledger.end(session, given.delegation, by=given.by, at=now, actor=given.actor)
        ).as_json()


@delegation.command("list")
@config_option
@input_argument
@json_command
def list_delegations(config: Path, source: Any) -> list[Json]:
    """Show the delegations of a person, on both sides. Input: {"person"}."""
    given = read_input(source, _Person)
    with opened(config) as hub, hub.database.reading() as session:
        return [entry.as_json() for entry in Delegations(hub.settings.municipality).of_person(session, given.person)]
