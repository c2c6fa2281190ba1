"""Who acts at the counter in this request, and the desk of the application. No view lives here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

from flask import request

from mykey_core.counter.acts import CLERKS
from mykey_core.counter.desk import Clerk, Desk
from mykey_core.counter.errors import CounterRefused
from mykey_core.errors import Refusal
from mykey_core.identity.search import FourAttributes
from mykey_core.portal.staff import StaffMember, StaffRegister
from mykey_core.translations import Catalogue, load_catalogue
from mykey_web.pages.areas import require_role, staff
from mykey_web.sessions.browser import current, portal

if TYPE_CHECKING:
    from mykey_core.counter.passkeys import Passkeys


def catalogue() -> Catalogue:
    """The counter's wording."""
    return load_catalogue("mykey_web.counter", "counter")


def desk() -> Desk:
    """The desk of this hub."""
    here = portal()
    return Desk(here.hub, here.sessions, here.sign_ins, here.rates)


def passkeys() -> Passkeys:
    """The passkeys of this hub's staff."""
    from mykey_core.counter.passkeys import Passkeys  # noqa: PLC0415 - brings webauthn; a start does without

    return Passkeys(portal().hub, portal().sessions)


def member() -> StaffMember:
    """The member of staff who is signed in, whatever their roles."""
    found = staff()
    if found is None:
        raise Refusal("sign_in_needed")
    return found


def clerk() -> Clerk:
    """A member who may look at records, in this browser; `role_needed` otherwise."""
    found = require_role(*CLERKS)
    session = current().session
    if session is None:
        raise Refusal("sign_in_needed")
    return Clerk(found, session)


def titles() -> Callable[[str], str]:
    """What colleagues call the members of staff, by the audit's name for them."""
    town = portal().hub.settings.municipality
    with portal().hub.database.reading() as session:
        known = {one.name: one.title for one in StaffRegister(town).all(session)}
    return lambda name: known.get(name, name)


def four_attributes() -> FourAttributes:
    """The four attributes of a form; `attributes_form` or `counter_date_form` when they are not whole."""
    form = request.form
    try:
        born = date.fromisoformat(form.get("birth_date", ""))
    except ValueError as error:
        raise CounterRefused("counter_date_form") from error
    return FourAttributes(form.get("name", ""), form.get("address", ""), born, form.get("sex", ""))


def uuid_of(text: str | None, code: str) -> UUID:
    """An id out of a form; a refusal with `code` for anything else."""
    try:
        return UUID(text or "")
    except ValueError as error:
        raise Refusal(code) from error
