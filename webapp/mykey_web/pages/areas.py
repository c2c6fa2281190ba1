"""The areas of the hub's pages: who may come in, checked before any view, for the hub's own pages and for plugins'.

A blueprint that is mounted here is known by its name; what is not mounted (static files, the API) is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast
from urllib.parse import quote, urlsplit

from flask import Blueprint, Flask, current_app, g, redirect, request, url_for
from sqlalchemy import bindparam, select
from werkzeug.wrappers import Response

from mykey_core.errors import Refusal
from mykey_core.identity.states import PersonState
from mykey_core.plugins.config import CLERK
from mykey_core.plugins.pages import Area, NavigationItem
from mykey_core.portal.sessions import SessionKind, WebSession
from mykey_core.portal.staff import StaffMember, StaffRegister
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.tables import person
from mykey_core.translations import Catalogue
from mykey_web.sessions.browser import current, for_staff, portal
from mykey_web.sessions.csrf import SAFE_METHODS, check_csrf

if TYPE_CHECKING:
    from mykey_core.plugins.loader import LoadedPlugin

ADMINISTRATOR = "administrator"
PREFIXES = {
    Area.CITIZEN: "/my",
    Area.STAFF: "/counter",
    Area.ADMIN: "/admin",
    Area.PUBLIC: "/p",
    Area.POINT_API: "/api/v1/plugins",
}
_EXTENSION = "mykey_areas"
_ROLES = "mykey_roles"
P = ParamSpec("P")
R = TypeVar("R")
_state = Prepared(select(person.c.state).where(person.c.municipality == bindparam("m"), person.c.id == bindparam("i")))


@dataclass(frozen=True, slots=True)
class Mounted:
    """A blueprint in its area; `plugin` is None for the hub's own pages. `navigation` items are in order."""

    name: str
    area: Area
    catalogue: Catalogue | None
    plugin: LoadedPlugin | None = None
    navigation: Sequence[NavigationItem] = field(default=())


def mount(
    app: Flask,
    blueprint: Blueprint,
    area: Area,
    *,
    catalogue: Catalogue | None = None,
    navigation: Sequence[NavigationItem] = (),
    plugin: LoadedPlugin | None = None,
    url_prefix: str | None = None,
    name: str | None = None,
) -> None:
    """Register `blueprint` and guard it. Navigation endpoints are those of the blueprint, without its name."""
    known = name or blueprint.name
    app.register_blueprint(blueprint, url_prefix=PREFIXES[area] if url_prefix is None else url_prefix, name=known)
    mounted(app)[known] = Mounted(known, area, catalogue, plugin, tuple(navigation))
    if catalogue is not None:
        app.extensions.setdefault("mykey_catalogues", {})[known] = catalogue


def mounted(app: Flask | None = None) -> dict[str, Mounted]:
    """Name of a blueprint → where it is mounted."""
    return cast(dict[str, Mounted], (app or current_app).extensions.setdefault(_EXTENSION, {}))


def here() -> Mounted | None:
    """What answers this request, if it is mounted."""
    return mounted().get(request.blueprint or "")


def guard() -> Response | None:
    """Before every request: who may come in, and no forged form. A redirect leads to signing in."""
    place = here()
    if place is None or place.area is Area.POINT_API:
        return None
    if place.area in {Area.STAFF, Area.ADMIN}:
        for_staff()
    if request.endpoint == "sign_in.sign_out" and current().session is None:
        return _signed_out_before()
    if request.method not in SAFE_METHODS:
        check_csrf(request, current().token if current().session else None, portal().hub.settings.origin)
    if place.area is Area.CITIZEN:
        return _citizen_only()
    if place.area in {Area.STAFF, Area.ADMIN}:
        return _staff_only(place)
    return None


def staff() -> StaffMember | None:
    """The member of staff who is signed in, with the rights of this moment."""
    session = current().session
    if session is None or session.kind is not SessionKind.STAFF or session.staff_name is None:
        return None
    if "mykey_staff" not in g:
        with portal().hub.database.reading() as database:
            found = StaffRegister(portal().hub.settings.municipality).get(database, session.staff_name)
        g.mykey_staff = found if found is not None and found.state == "active" else None
    return cast(StaffMember | None, g.mykey_staff)


def citizen() -> WebSession:
    """The session of the citizen who is signed in; the guard has seen to it."""
    session = current().session
    if session is None or session.kind is not SessionKind.CITIZEN or session.person_id is None:
        raise Refusal("sign_in_needed")
    return session


def roles_in(member: StaffMember, place: Mounted | None) -> frozenset[str]:
    """What the member is there: a municipality may give a plugin clerks of its own (`clerk_roles`)."""
    return member.roles if place is None or place.plugin is None else place.plugin.choice.roles_here(member.roles)


def require_role(*roles: str) -> StaffMember:
    """The member of staff, if one of `roles` is theirs in what answers this request; `role_needed` otherwise."""
    member = staff()
    if member is None or roles_in(member, here()).isdisjoint(roles):
        raise Refusal("role_needed", ", ".join(roles))
    return member


def requires_role(*roles: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A view for staff with one of these roles; others are told which role is needed and see no link to it."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            require_role(*roles)
            return view(*args, **kwargs)

        guarded.__dict__[_ROLES] = frozenset(roles)
        return guarded

    return decorate


def may_open(endpoint: str) -> bool:
    """Whether who is signed in has a role that the view of `endpoint` asks for, if it asks for any."""
    asked: frozenset[str] | None = getattr(current_app.view_functions.get(endpoint), _ROLES, None)
    place = mounted().get(endpoint.rpartition(".")[0])
    wanted = [roles for roles in (asked, _asked_by_town(place)) if roles is not None]
    if not wanted:
        return True
    member = staff()
    return member is not None and not any(roles.isdisjoint(roles_in(member, place)) for roles in wanted)


def is_local_path(path: str) -> bool:
    """True for a path of this hub, to which somebody may be sent after signing in."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and "\\" not in path and path.isprintable()


def is_signed_in_citizen() -> bool:
    """Whether a citizen is signed in who may come in at this moment; the session of one who may not is ended."""
    session = current().session
    if session is None or session.kind is not SessionKind.CITIZEN:
        return False
    row = portal().hub.database.look_up(_state, {"m": portal().hub.settings.municipality, "i": session.person_id})
    if row is None or row[0] in {PersonState.HELD, PersonState.DECEASED}:
        portal().sessions.end(session)
        current().forget()
        return False
    return True


def _citizen_only() -> Response | None:
    return None if is_signed_in_citizen() else _to("sign_in.citizen")


def _staff_only(place: Mounted) -> Response | None:
    if staff() is None:
        return _to("sign_in.staff")
    if place.area is Area.ADMIN:
        require_role(ADMINISTRATOR)
    asked = _asked_by_town(place)
    if asked is not None:
        require_role(*asked)
    return None


def _asked_by_town(place: Mounted | None) -> frozenset[str] | None:
    """A plugin with clerks of its own shows its staff pages to nobody else, whatever its views ask for."""
    if place is None or place.plugin is None or place.area is not Area.STAFF:
        return None
    return None if place.plugin.choice.clerk_roles is None else frozenset({CLERK})


def _signed_out_before() -> Response:
    """The second click on "sign out": there is no session to end any more, and nothing that could be forged."""
    came_from = urlsplit(request.referrer or "").path.removeprefix(request.script_root)
    staff_page = came_from.startswith((PREFIXES[Area.STAFF], PREFIXES[Area.ADMIN]))
    return _to("sign_in.staff" if staff_page else "sign_in.citizen")


def _to(endpoint: str) -> Response:
    if request.method not in SAFE_METHODS:
        return redirect(url_for(endpoint), 303)
    wanted = quote(request.path, safe="/")
    return redirect(url_for(endpoint, next=wanted), 303)
