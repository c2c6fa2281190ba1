"""The reference pages of the kit, made from the models themselves: the manifest's members and the quality list."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mykey_core.card_writing.profiles import CardAccess, CardField, CardLimits, CardProfile
from mykey_core.plugin_kit.quality import RULES
from mykey_core.plugins.config import PluginChoice, ServicePolicy
from mykey_core.plugins.manifest import (
    Action,
    Capability,
    InputField,
    Manifest,
    Purpose,
    Remote,
    Requests,
    Service,
    Shreds,
)
from mykey_core.plugins.toml_types import toml_type
from mykey_core.plugins.typed_settings import Setting

_MANIFEST: tuple[tuple[str, type[BaseModel]], ...] = (
    ("Top level", Manifest),
    ("`[requests]`", Requests),
    ("`[[services]]`", Service),
    ("`[[services.actions]]`", Action),
    ("`[[services.actions.fields]]`", InputField),
    ("`[[settings]]`", Setting),
    ("`[[purposes]]`", Purpose),
    ("`[shredder]`", Shreds),
    ("`[remote]`", Remote),
    ("`[card_profile]`", CardProfile),
    ("`[[card_profile.fields]]`", CardField),
    ("`[card_profile.limits]`", CardLimits),
    ("`[card_profile.access]`", CardAccess),
)
_TOWN: tuple[tuple[str, type[BaseModel]], ...] = (
    ("`[plugins.NAME]`", PluginChoice),
    ("`[plugins.NAME.services.SERVICE]`", ServicePolicy),
)
_CAPABILITIES = {
    Capability.DATABASE: "tables of its own, in the transaction that is under way",
    Capability.TAP: "taps and actions of its services reach it",
    Capability.PAGES: "pages in the portal, at the counter, in the administration, for the public, for terminals",
    Capability.JOBS: "jobs by schedule or on demand",
    Capability.EVENTS: "publishing events of its own and hearing those that are granted",
    Capability.CARD_SLOT: "a slot on the card, as its card profile declares it",
    Capability.HTTP: "requests to the hosts that are granted, and to no other",
    Capability.AUDIT: "records of its own in the audit log",
    Capability.PEOPLE: "the person of the tap: delegations and, with consent, attributes",
    Capability.OFFLINE: "records that terminals made without the hub",
}


def manifest_markdown() -> str:
    """docs/reference/plugin-manifest.md."""
    lines = [
        "# mykey-plugin.toml and plugins.toml",
        "",
        "Made by `mykey plugin reference manifest` from the models that read the files; do not edit.",
        "",
        "The manifest lies in the plugin's package and is read without importing it. An unknown member is an error",
        "with a suggestion.",
        "",
        "## Capabilities",
        "",
        "| capability | what it allows |",
        "|---|---|",
        *(f"| `{capability.value}` | {_CAPABILITIES[capability]} |" for capability in Capability),
        "",
    ]
    for title, model in _MANIFEST:
        lines += _section(title, model)
    lines += [
        "# plugins.toml",
        "",
        "What a municipality enables and grants. `[municipality.CODE.plugins.NAME]` overlays it for one town.",
        "",
    ]
    for title, model in _TOWN:
        lines += _section(title, model)
    return "\n".join(lines).rstrip() + "\n"


def quality_markdown() -> str:
    """docs/reference/plugin-quality.md."""
    lines = [
        "# Quality of a plugin",
        "",
        "Made by `mykey plugin reference quality`; do not edit.",
        "",
        '`quality.toml` beside pyproject.toml says of each rule `"done"`, `"todo"`, or `{ exempt = "the reason" }`.',
        "`mykey plugin check` reads it, and the administration shows it to the municipality.",
        "",
        "| rule | what it asks for |",
        "|---|---|",
        *(f"| `{rule}` | {text} |" for rule, text in RULES.items()),
    ]
    return "\n".join(lines) + "\n"


def _section(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield from (f"## {title}", "", _prose(model), "", "| member | type | default |", "|---|---|---|")
    for name, info in model.model_fields.items():
        yield f"| `{name}` | {toml_type(info.annotation)} | {_default(info)} |"
    yield ""


def _prose(model: type[BaseModel]) -> str:
    return re.sub(r"\s+", " ", inspect.getdoc(model) or "").strip()


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default_factory() if info.default_factory is not None else info.default  # type: ignore[call-arg]
    shown = "none" if value is None or value == "" else _plain(value)
    return f"`{shown}`" if shown != "none" else shown


def _plain(value: object) -> str:
    if isinstance(value, BaseModel):
        return "{}"
    if isinstance(value, (frozenset, tuple, list, set)):
        return str(sorted(map(str, value)))
    return str(value).lower() if isinstance(value, bool) else str(value)
