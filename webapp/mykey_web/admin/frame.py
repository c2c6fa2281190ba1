"""The blueprint of the administration, its navigation and wording, and who acts in this request. No view lives here."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from flask import Blueprint
from markupsafe import Markup, escape

from mykey_core.administration.files import ConfigurationFiles
from mykey_core.errors import Refusal
from mykey_core.hub import Hub
from mykey_core.plugins.pages import Area, NavigationItem
from mykey_core.translations import Catalogue, load_catalogue
from mykey_web.pages.areas import ADMINISTRATOR, require_role
from mykey_web.sessions.browser import portal

blueprint = Blueprint("admin", __name__)
_CODE = re.compile(r"`([^`]+)`")
PAGES = ("home", "plugins", "points", "terminals", "members", "trust", "campaigns", "audit", "jobs", "settings")
NAVIGATION = tuple(
    NavigationItem(Area.ADMIN, f"admin.{name}.title", f"admin.{name}", order)
    for order, name in enumerate(PAGES, start=10)
)


def catalogue() -> Catalogue:
    """The wording of the administration."""
    return load_catalogue("mykey_web.admin", "admin")


def hub() -> Hub:
    """The hub that is administered."""
    return portal().hub


def town() -> str:
    """Its municipality."""
    return hub().settings.municipality


def now() -> datetime:
    """The hub's time."""
    return hub().clock()


def actor() -> str:
    """Who acts, as the audit writes it; `role_needed` for anybody but an administrator."""
    return require_role(ADMINISTRATOR).actor


def files() -> ConfigurationFiles:
    """The hub's files of settings with their history."""
    return ConfigurationFiles(hub().database, town())


def with_code(text: str) -> Markup:
    """A text whose `commands` are set as code; everything else is escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def uuid_of(text: str | None) -> UUID:
    """An id out of a form; `not_found` for anything else."""
    try:
        return UUID(text or "")
    except ValueError as error:
        raise Refusal("not_found") from error
