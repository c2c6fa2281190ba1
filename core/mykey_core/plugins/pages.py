"""What a plugin adds to the hub's pages: blueprints by area, and items of the navigation. The hub mounts them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any


@unique
class Area(StrEnum):
    """Who may come in, and below which address the pages stand."""

    CITIZEN = "citizen"  # /my/<plugin>/, a signed-in citizen
    STAFF = "staff"  # /counter/<plugin>/, a signed-in clerk
    ADMIN = "admin"  # /admin/<plugin>/, a signed-in administrator
    PUBLIC = "public"  # /p/<plugin>/, nobody is signed in
    POINT_API = "point-api"  # /api/v1/plugins/<plugin>/, an enrolled terminal


@dataclass(frozen=True, slots=True)
class Pages:
    """A `flask.Blueprint` for one area; `title_key` is a text of the plugin's catalogue.

    Its templates stand in `templates/mykey_<name>/` and nowhere else. (The core knows no Flask, hence `Any`.)
    """

    area: Area
    blueprint: Any
    title_key: str


@dataclass(frozen=True, slots=True)
class NavigationItem:
    """A link in the navigation of an area: `endpoint` is that of the plugin's own blueprint, low `order` first."""

    area: Area
    text_key: str
    endpoint: str
    order: int = 100
