"""What the register and the audit say in codes, in the words of the citizen: services, places, people, purposes."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import bindparam, select

from mykey_core.audit import access
from mykey_core.consent.delegation import Delegation
from mykey_core.plugins.manifest import Service
from mykey_core.portal.messages import TOWN
from mykey_core.portal.sign_in import SECTOR
from mykey_core.portal.staff import StaffRegister
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.tables import service_point
from mykey_core.translations import load_catalogue
from mykey_web.counter.clerks import catalogue as counter_words
from mykey_web.design.wording import frame_catalogue, localised, t, words
from mykey_web.sessions.browser import language, portal

_STAFF = "staff:"
_BY_STAFF = ("staff.", "counter.")
"""Events whose wording says itself that staff did it: the actor is a bare name there."""
_AT_ITS_END = re.compile(r"\s*[:：–]\s*\{\w+\}$")
_point = Prepared(
    select(service_point.c.title).where(
        service_point.c.municipality == bindparam("m"), service_point.c.name == bindparam("n")
    )
)


def title_of(plugin: str) -> str:
    """A plugin's title; of one that is not active any more its name; `town` is the town itself."""
    if plugin == TOWN:
        return localised(portal().hub.settings.municipality_title)
    if plugin == SECTOR:
        return t("my.sector")
    loaded = portal().hub.plugins.plugins.get(plugin)
    return plugin if loaded is None else localised(loaded.context.manifest.title)


def service_titles(delegation: Delegation) -> str:
    """The services of a delegation, by title."""
    return ", ".join(_service(name) for name in delegation.scope)


def purpose_text(plugin: str, purpose: str, otherwise: dict[str, str]) -> str:
    """The plugin's own wording of a purpose, else the manifest's."""
    own = portal().hub.plugins.consent_text(plugin, purpose)
    return localised(otherwise) if own is None else words(own)


def worded(entry: access.AccessEntry) -> str:
    """One access in the reader's language; an event that has no wording is named by its code."""
    shown = {name: _value(name, value, entry) for name, value in entry.text.values.items()}
    catalogue = access.catalogue()
    at_counter = f"{entry.text.key}.at_counter"
    key = at_counter if entry.plugin == SECTOR and catalogue.has(at_counter) else entry.text.key
    return catalogue.get(key, language(), shown) if catalogue.has(key) else entry.event


def _value(name: str, value: str | int, entry: access.AccessEntry) -> str | int:
    if isinstance(value, int):
        return value
    if name == "action":
        return _action(str(entry.facts.get("service", "")), value)
    if name == "actor" and entry.event.startswith(_BY_STAFF):
        return _staff_title(value) or _actor(value)
    if name == "purpose":
        return _purpose(str(entry.facts.get("plugin", "")), value)
    known: dict[str, Callable[[str], str]] = {
        "plugin": title_of,
        "sender": title_of,
        "service": _service,
        "service_point": _place,
        "actor": _actor,
        "requested_by": _actor,
        "act": lambda code: _counter("act", code),
        "document": lambda code: _counter("document", code),
        "evidence": lambda code: _by_key("evidence", code),
        "operation": lambda code: _by_key("card_operation", code),
        "method": lambda code: _by_key("my.devices.method", code),
        "code": _outcome,
    }
    return known[name](value) if name in known else value


def _found(service: str) -> Service | None:
    route = portal().hub.plugins.route(service)
    return None if route is None else route.service


def _service(name: str) -> str:
    found = _found(name)
    return name if found is None else localised(found.title)


def _action(service: str, name: str) -> str:
    found = _found(service)
    action = None if found is None else found.action(name)
    return name if action is None else localised(action.title)


def _place(name: str) -> str:
    row = portal().hub.database.look_up(_point, {"m": portal().hub.settings.municipality, "n": name})
    return name if row is None else localised(row[0])


def _actor(code: str) -> str:
    """Staff by the name that colleagues know, the others by what they are."""
    name = _staff_title(code)
    return _by_key("actor", code) if name is None else t("actor.staff", name=name)


def _staff_title(code: str) -> str | None:
    """The name that colleagues know; None where the code is nobody of the staff."""
    if not code.startswith(_STAFF):
        return None
    with portal().hub.database.reading() as session:
        member = StaffRegister(portal().hub.settings.municipality).get(session, code.removeprefix(_STAFF))
    return code.removeprefix(_STAFF) if member is None else member.title


def _outcome(code: str) -> str:
    """What a plugin called the outcome (`library.lent`), by its own wording where it has one."""
    plugin, _, name = code.partition(".")
    catalogue = portal().hub.plugins.catalogue(plugin)
    for key in (f"outcome.{name}", f"{name}.title"):
        if catalogue is not None and catalogue.has(key):
            return _without_fields(catalogue.get(key, language()))
    refusals = f"refusal.{code}.title"
    hub = load_catalogue("mykey_web", "hub")
    return hub.get(refusals, language()) if hub.has(refusals) else code


def _without_fields(text: str) -> str:
    """The text up to `：{title}` at its end: the audit does not keep what was lent. Other fields leave “done”."""
    head = _AT_ITS_END.sub("", text)
    return t("my.accesses.done") if "{" in head else head


def _counter(kind: str, code: str) -> str:
    """What the town's own counter calls it."""
    words_of_counter, key = counter_words(), f"counter.{kind}.{code}"
    return words_of_counter.get(key, language()) if words_of_counter.has(key) else code


def _purpose(plugin: str, name: str) -> str:
    if plugin == SECTOR:
        return _counter("purpose", name)
    catalogue = portal().hub.plugins.catalogue(plugin)
    if catalogue is not None and catalogue.has(f"purpose.{name}"):
        return catalogue.get(f"purpose.{name}", language())
    loaded = portal().hub.plugins.plugins.get(plugin)
    declared = () if loaded is None else loaded.context.manifest.purposes
    return next((localised(one.text) for one in declared if one.name == name), name)


def _by_key(prefix: str, code: str) -> str:
    key = f"{prefix}.{code}"
    return t(key) if frame_catalogue().has(key) else code
