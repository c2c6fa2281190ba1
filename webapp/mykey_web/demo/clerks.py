"""Members of staff of the demo town, whose cards lie in the tray: a clerk, a supervisor, an administrator."""

from __future__ import annotations

from mykey_core.authentication.nonce import new_nonce
from mykey_core.hub import Hub, open_hub
from mykey_core.portal.sign_in import SECTOR
from mykey_core.portal.staff import StaffRegister
from mykey_core.settings import load_settings
from mykey_core.trust.revocation.budget import RiskClass
from mykey_web.demo.clients import make_token
from mykey_web.demo.town import Town

CLERK, SUPERVISOR, ADMINISTRATOR = "long-name", "foreign-name", "blocked-text"
"""The cards of the clerk, of the supervisor, and of whoever closes the taxi's months."""
PIN = "1234"
_STAFF = (
    (CLERK, "kawabata", "市民課 川端", ("clerk",)),
    (SUPERVISOR, "asano", "市民課 浅野（監督者）", ("supervisor",)),
    (ADMINISTRATOR, "hasumi", "交通政策課 蓮見", ("administrator", "clerk")),
)
_ACTOR = "staff:console"


def add_clerks(town: Town) -> None:
    """Make them, each with the card that signs them in."""
    hub = open_hub(load_settings(town.config))
    try:
        for card, name, title, roles in _STAFF:
            _add(hub, card, name, title, roles)
    finally:
        hub.close()


def _add(hub: Hub, card: str, name: str, title: str, roles: tuple[str, ...]) -> None:
    now, nonce = hub.clock(), new_nonce()
    token = make_token(card, PIN, hub.settings.origin, nonce)
    verified = hub.logins.authentication[RiskClass.HIGH].verify_members(token, nonce, now)
    staff = StaffRegister(hub.settings.municipality)
    with hub.database.writing() as session:
        known = hub.people.find(session, verified.certificate, SECTOR)
        if known is None:
            known = hub.people.enrol(session, verified.certificate, now, actor=_ACTOR)
        staff.put(session, name, title, roles, at=now, actor=_ACTOR)
        staff.accept(session, staff.invite(session, name, at=now), known.person_id, now)
