"""Borrowing for children and family, by a delegation of the core: it has an end, and both sides see and can end it."""

from __future__ import annotations

from mykey_core.api import ConsentDenied, PluginContext
from mykey_library.links import Links


def _people_by_number(context: PluginContext, links: Links, service: str) -> dict[str, str]:
    """Patron number → pairwise id of everybody for whom the person of the visit may act in `service` now."""
    people = context.people if context.may("people") else None
    if people is None:
        return {}
    running = [one for one in people.delegations() if service in one.services]
    linked = {one.subject: links.number_of(one.subject) for one in running}
    return {number: subject for subject, number in linked.items() if number is not None}


def numbers(context: PluginContext, links: Links, service: str) -> list[str]:
    """The patron numbers for which the person of the visit may borrow."""
    return sorted(_people_by_number(context, links, service))


def may_act_for(context: PluginContext, links: Links, number: str, service: str) -> bool:
    """Whether there is a delegation for this patron; its use is recorded by the core."""
    subject = _people_by_number(context, links, service).get(number)
    if subject is None or context.people is None:
        return False
    try:
        context.people.acting_for(subject, service)
    except ConsentDenied:
        return False
    return True
