"""Plugins: where each stands and why, what it asks for and is granted, its quality list, and changing the grants."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import request
from werkzeug.wrappers import Response

from mykey_core.administration.files import Change, Proposal
from mykey_core.administration.plugin_changes import propose
from mykey_core.audit.records import append
from mykey_core.errors import Refusal
from mykey_core.plugin_kit.quality import RULES
from mykey_core.plugins.config import PluginChoice, read_plugins_file
from mykey_core.plugins.errors import PluginError
from mykey_core.plugins.loader import PluginState, installed_plugins
from mykey_core.plugins.manifest import Manifest, read_manifest
from mykey_core.plugins.safe_mode import Starts
from mykey_core.plugins.status import PluginStatus
from mykey_web.admin.frame import actor, blueprint, files, hub, now, town
from mykey_web.api import redirect_after
from mykey_web.design.wording import t
from mykey_web.pages.frame import render

_QUALITY = "quality.toml"


@dataclass(frozen=True, slots=True)
class PluginView:
    """One plugin: what it says of itself (None when its manifest cannot be read) and what the town says of it."""

    status: PluginStatus
    manifest: Manifest | None
    choice: PluginChoice | None

    @property
    def asked(self) -> frozenset[str]:
        """The names of all grants that it asks for."""
        return frozenset() if self.manifest is None else self.manifest.requests.grants

    @property
    def granted(self) -> frozenset[str]:
        """What the town's file grants now, which may be more than the running hub knows."""
        return frozenset() if self.choice is None else self.choice.grants

    @property
    def missing(self) -> list[str]:
        """What it asks for and has not been granted, such as what a new version asks for in addition."""
        return sorted(self.asked - self.granted)

    @property
    def spare(self) -> list[str]:
        """What is granted and not asked for any more."""
        return sorted(self.granted - self.asked) if self.manifest is not None else []

    @property
    def points(self) -> list[str]:
        """The service points that the town's file restricts it to; empty: wherever a point offers its services."""
        return sorted(self.choice.service_points or ()) if self.choice is not None else []

    @property
    def clerks(self) -> list[str]:
        """The roles of its clerks where the town's file names some; empty: everybody with the role `clerk`."""
        return sorted(self.choice.clerk_roles or ()) if self.choice is not None else []

    @property
    def enabled(self) -> bool:
        """Whether the town's file enables it now."""
        return self.choice is not None and self.choice.enabled


@blueprint.get("/plugins")
def plugins() -> str:
    """All of them."""
    with hub().database.reading() as session:
        health = hub().plugins.health(session)
    return render("admin/plugins.html", found=[_view(one) for one in hub().plugins.status()], health=health)


@blueprint.get("/plugins/<name>")
def plugin(name: str) -> str:
    """One plugin with its grants as a form."""
    view = _found(name)
    with hub().database.reading() as session:
        health = hub().plugins.health(session).get(name)
    return render(
        "admin/plugin.html", view=view, health=health, quality=_quality(view.manifest), rules=RULES,
        grant_text=grant_text, waits=waits(view),
    )  # fmt: skip


@blueprint.post("/plugins/<name>/preview")
def preview_plugin(name: str) -> str:
    """What would change in the file; nothing is written."""
    proposal, enabled, grants = _asked(name)
    return _preview(_found(name), proposal, enabled=enabled, grants=grants)


@blueprint.get("/plugins/<name>/undo/<uuid:change_id>")
def undo_plugin(name: str, change_id: UUID) -> str:
    """What taking a change back would do; nothing is written."""
    change = files().change(change_id)
    if change is None or change.previous is None or change.member != f"plugins.{name}":
        raise Refusal("not_found")
    enabled, grants = bool(change.previous.get("enabled")), set(change.previous.get("grants", ()))
    view = _found(name)
    grants &= view.asked | view.granted
    proposal = propose(hub().settings.plugins_file, town(), name, enabled=enabled, grants=grants)
    return _preview(view, proposal, enabled=enabled, grants=grants, undone=change)


def _preview(
    view: PluginView, proposal: Proposal, *, enabled: bool, grants: set[str], undone: Change | None = None
) -> str:
    return render(
        "admin/plugin-preview.html", view=view, proposal=proposal, enabled=enabled, grants=sorted(grants),
        came=sorted(grants - view.granted), went=sorted(view.granted - grants), lacks=sorted(view.asked - grants),
        undone=undone, grant_text=grant_text,
    )  # fmt: skip


@blueprint.post("/plugins/<name>/write")
def write_plugin(name: str) -> Response:
    """Write what was shown."""
    proposal, enabled, _ = _asked(name)
    facts = {"plugin": name, "enabled": enabled}
    files().write(
        proposal, request.form.get("digest", ""), actor=actor(), at=now(),
        event={"name": "admin.plugin_changed", "facts": facts},
    )  # fmt: skip
    return redirect_after(".plugin", notice="admin.written", name=name)


@blueprint.post("/plugins/<name>/retry")
def retry_plugin(name: str) -> Response:
    """Forget the crashes of a plugin in safe mode, so that the next start tries it again."""
    _found(name)
    who, at = actor(), now()
    crashes = Starts(hub().engine, town(), hub().clock).forget(name)
    with hub().database.writing() as session:
        append(session, town(), at, "admin.plugin_retried", {"actor": who, "plugin": name, "crashes": crashes})
    return redirect_after(".plugin", notice="admin.plugins.retried", name=name)


def grant_text(grant: str) -> str:
    """What a grant allows, in words."""
    kind, _, name = grant.partition(":")
    if not name:
        return t(f"admin.grant.{kind}")
    if kind == "attribute":
        return t("admin.grant.attribute", name=t(f"admin.attribute.{name}"))
    return t(f"admin.grant.{kind}", name=name)


def waits(view: PluginView) -> bool:
    """Whether the file already says something else than what the hub works with, so that a start would change it."""
    active = view.status.state is PluginState.ACTIVE
    could = view.enabled and not view.missing and view.manifest is not None
    return (could and view.status.state in {PluginState.INACTIVE, PluginState.DISABLED}) or (active and not could)


def _asked(name: str) -> tuple[Proposal, bool, set[str]]:
    view = _found(name)
    enabled = request.form.get("enabled") == "yes"
    known = view.asked | view.granted
    grants = {one for one in request.form.getlist("grant") if one in known}
    return propose(hub().settings.plugins_file, town(), name, enabled=enabled, grants=grants), enabled, grants


def _found(name: str) -> PluginView:
    status = next((one for one in hub().plugins.status() if one.name == name), None)
    if status is None:
        raise Refusal("not_found")
    return _view(status)


def _view(status: PluginStatus) -> PluginView:
    choice = read_plugins_file(hub().settings.plugins_file, town()).plugins.get(status.name)
    return PluginView(status, _manifest(status.name), choice)


def _manifest(name: str) -> Manifest | None:
    loaded = hub().plugins.plugins.get(name)
    if loaded is not None:
        return loaded.context.manifest
    point = installed_plugins().get(name)
    try:
        return None if point is None else read_manifest(point.value, name)
    except PluginError:
        return None


def _quality(manifest: Manifest | None) -> Mapping[str, Any] | None:
    """The quality list beside or above the plugin's package; None where the distribution does not bring it along."""
    spec = find_spec(manifest.package) if manifest is not None and manifest.package else None
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    for path in (package / _QUALITY, package.parent / _QUALITY):
        try:
            rules: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["rules"]
        except (OSError, tomllib.TOMLDecodeError, KeyError):
            continue
        return rules
    return None
