"""Plugins: where each stands and why, what it asks for and is granted, its quality list, and changing the grants."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import request
from werkzeug.wrappers import Response

from mykey_core.administration.files import Proposal
from mykey_core.administration.plugin_changes import propose
from mykey_core.audit.records import append
from mykey_core.errors import Refusal
from mykey_core.plugin_kit.quality import RULES
from mykey_core.plugins.config import PluginChoice, read_plugins_file
from mykey_core.plugins.errors import PluginError
from mykey_core.plugins.loader import installed_plugins
from mykey_core.plugins.manifest import Manifest, read_manifest
from mykey_core.plugins.safe_mode import Starts
from mykey_core.plugins.status import PluginStatus
from mykey_web.admin.frame import actor, blueprint, files, hub, now, town
from mykey_web.api import redirect_after
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
    return render("admin/plugin.html", view=view, health=health, quality=_quality(view.manifest), rules=RULES)


@blueprint.post("/plugins/<name>/preview")
def preview_plugin(name: str) -> str:
    """What would change in the file; nothing is written."""
    proposal, enabled, grants = _asked(name)
    return render(
        "admin/plugin-preview.html", name=name, proposal=proposal, enabled=enabled, grants=sorted(grants),
        digest=proposal.digest,
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
