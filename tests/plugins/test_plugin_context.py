"""The context: each member is a capability, and what it does is part of the plugin's own commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from mykey_core.api import CapabilityDenied
from mykey_core.audit.errors import AuditSchemaError
from mykey_core.outbox.dispatcher import Dispatcher
from mykey_core.plugins.context import PluginContext
from mykey_core.plugins.errors import PluginError, PluginFault
from mykey_core.plugins.jobs import JOB_EVENT
from mykey_core.plugins.loader import PluginState
from mykey_core.plugins.log import PluginLog
from mykey_core.plugins.manifest import parse_manifest
from mykey_core.storage.tables import outbox
from mykey_testkit.hub import HubHarness

Town = Callable[[str], HubHarness]
MEMBERS = {
    "people": "people",
    "card": "card-slot",
    "events": "events",
    "jobs": "jobs",
    "audit": "audit",
    "http": "http",
}
SENDER = """
from datetime import timedelta
from mykey_core.api import *

ran = []

def close(context, database, arguments, at):
    ran.append(dict(arguments))
    context.events.publish("sender.closed", {"month": 11}, database)

@hookimpl
def mykey_jobs(context):
    return [Job("close", close), Job("undeclared", close, Every(timedelta(minutes=1)))]

@hookimpl
def mykey_tap(context, request, database):
    context.events.publish("sender.sold", {"yen": 500}, database)
    context.events.publish("sender.unheard", {}, database)
    context.jobs.enqueue("close", {"month": 11}, database)
    context.audit.record("sold", database, details={"yen": 500})
    return TapResult(Outcome.DONE, "sender.done", Message(context.text("done", number=1)))
"""
RECEIVER = """
from mykey_core.api import *
heard = []

@hookimpl
def mykey_event(context, event, database):
    heard.append((event.name, event.source, dict(event.data), event.subject))
    if event.data.get("yen") == 666:
        raise ValueError
"""
EVENTS = "events = ['sender.sold', 'sender.closed']"


def waiting(hub: HubHarness) -> list[tuple[str, str]]:
    with hub.hub.database.reading() as session:
        own = outbox.c.municipality == hub.municipality
        rows = session.execute(select(outbox.c.subscriber, outbox.c.kind).where(own).order_by(outbox.c.id))
        return [(row.subscriber, row.kind) for row in rows]


@pytest.fixture
def market(distributions: Any, town: Town) -> HubHarness:
    """A town with a plugin that sells, and one that hears of it."""
    sender = distributions.install(
        "sender", SENDER, capabilities=("tap", "events", "jobs", "audit"), members="jobs = ['close']", migrations=()
    )
    receiver = distributions.install("receiver", RECEIVER, capabilities=("events",), rest=EVENTS, migrations=())
    return town(sender + receiver.replace('"events"]', '"events", "event:sender.sold", "event:sender.closed"]'))


def test_events_jobs_and_records_are_one_commit_with_the_tap(market: HubHarness) -> None:
    """Only who asks for an event has it waiting; a job waits for the plugin itself; the audit record is there."""
    import sys

    hub, plugins = market.hub, market.hub.plugins
    assert market.terminal().act("sender-desk", "open")["result"]["code"] == "sender.done"
    assert waiting(market) == [("receiver", "sender.sold"), ("sender:jobs", JOB_EVENT)]
    (record,) = market.audit("plugin.recorded")
    assert record.facts == {"plugin": "sender", "action": "sold", "subject": None, "details": {"yen": 500}}

    dispatcher = Dispatcher(hub.database, market.municipality, plugins.handlers(), hub.people.subject_of)
    assert dispatcher.deliver_due(market.clock()) == 1
    assert sys.modules["stranger_receiver"].heard == [("sender.sold", "sender", {"yen": 500}, None)]
    hub.database.commit(lambda session: plugins.run_job("sender", "close", {"month": 11}, session, market.clock()))
    assert sys.modules["stranger_sender"].ran == [{"month": 11}]
    assert waiting(market) == [("sender:jobs", JOB_EVENT), ("receiver", "sender.closed")]
    assert set(plugins.jobs()["sender"]) == {"close"}  # one that the manifest does not name is not run


def test_what_a_plugin_may_not_say_is_refused(market: HubHarness) -> None:
    """No event in somebody else's name, no job that the manifest lacks, nothing personal in the audit log."""
    hub = market.hub
    plugin = hub.plugins.plugins["sender"]
    with hub.database.writing() as session, hub.plugins.opened(plugin, session) as database:
        with pytest.raises(PluginError, match="is called 'sender"):
            plugin.context.events.publish("core.identity-linked", {}, database)
        with pytest.raises(PluginError, match="names no job 'open'"):
            plugin.context.jobs.enqueue("open", {}, database)
        with pytest.raises(AuditSchemaError):
            plugin.context.audit.record("sold", database, details={"to": "見本　花子"})


def test_an_event_that_is_not_taken_is_tried_again(market: HubHarness) -> None:
    """The receiver's fault leaves the event waiting, and nothing else happens to the hub."""
    hub = market.hub
    plugin = hub.plugins.plugins["sender"]
    with hub.database.writing() as session, hub.plugins.opened(plugin, session) as database:
        plugin.context.events.publish("sender.sold", {"yen": 666}, database)
    dispatcher = Dispatcher(hub.database, market.municipality, hub.plugins.handlers(), hub.people.subject_of)
    assert dispatcher.deliver_due(market.clock()) == 0
    assert waiting(market) == [("receiver", "sender.sold")]
    with pytest.raises(PluginFault):
        hub.database.commit(lambda session: hub.plugins.run_job("sender", "close", None, session, market.clock()))  # type: ignore[arg-type]


def test_each_missing_grant_keeps_a_plugin_inactive(distributions: Any, town: Town) -> None:
    """Capabilities, attributes, hosts and events are all named."""
    rest = "attributes = ['name']\nhosts = ['api.example.jp']\nevents = ['other.done']"
    distributions.install("wants", capabilities=("tap", "http", "events"), rest=rest, migrations=())
    hub = town("[plugins.wants]\n")
    (line,) = [line for line in hub.hub.plugins.status() if line.name == "wants"]
    assert line.state is PluginState.INACTIVE
    assert line.reason == "not granted: attribute:name, event:other.done, events, host:api.example.jp, http, tap"


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("asked", [True, False])
def test_each_member_denies_by_the_name_of_its_capability(member: str, *, asked: bool) -> None:
    """Whether the plugin has not asked for it or the municipality has not granted it."""
    capabilities = f'["{MEMBERS[member]}"]' if asked else "[]"
    manifest = parse_manifest(
        f"""
name = "sample"
title = {{}}
description = {{}}
version = "1"
api = "0.2"
package = "sample"
legal_basis = {{}}
retention = {{}}
[requests]
capabilities = {capabilities}
""",
        "sample",
    )
    grants = frozenset() if asked else frozenset(MEMBERS.values())
    context = PluginContext(manifest, "132217", {}, grants, PluginLog("sample"))
    with pytest.raises(CapabilityDenied) as denied:
        getattr(context, member)
    assert (denied.value.plugin, denied.value.capability) == ("sample", MEMBERS[member])
