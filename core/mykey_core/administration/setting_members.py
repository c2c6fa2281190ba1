"""The members of `hub.toml` as a list made from the models: name, type, default, and whether a page may change them.

What a member means is worded in this package's translations (`setting.NAME`); the reference page and the
administration read both. No value is read here.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mykey_core.settings import HubSettings
from mykey_core.settings_environment import variable_of, variables

_ON_PAGES = frozenset({"sessions", "counter", "jobs.threads", "jobs.in_server"})
_NAMES = {bool: "true or false", int: "integer", str: "text", Path: "path", timedelta: "time (seconds or PT24H)"}


@dataclass(frozen=True, slots=True)
class Member:
    """One member. `name` is dotted; that of a source names its type: `revocation.sources.crl-file.directory`."""

    name: str
    form: str
    required: bool
    default: str
    kind: type[Any] | None
    minimum: int | None = None
    maximum: int | None = None

    @property
    def on_pages(self) -> bool:
        """Whether an administrator may change it on a page: limits and times, and nothing that opens a door."""
        table = self.name.partition(".")[0]
        return (self.name in _ON_PAGES or table in _ON_PAGES) and self.kind in (int, bool)

    @property
    def variable(self) -> str:
        """The environment variable that overrides it; empty for a member of a list of tables."""
        name = variable_of(self.name)
        return name if name in variables(HubSettings) else ""

    @property
    def wording(self) -> str:
        """The key of its meaning; the sources share those of their common members."""
        return f"setting.{self.name}"


def members() -> list[Member]:
    """All of them, in the order of the models."""
    return list(_walk(HubSettings, ""))


def _walk(model: type[BaseModel], before: str) -> Iterator[Member]:
    for name, field in model.model_fields.items():
        inner = _models(field.annotation)
        for one in inner:
            middle = f"{name}.{_type_of(one)}" if len(inner) > 1 else name
            yield from _walk(one, f"{before}{middle}.")
        if not inner:
            yield _member(f"{before}{name}", field)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models(part)]


def _type_of(model: type[BaseModel]) -> str:
    return str(get_args(model.model_fields["type"].annotation)[0])


def _member(name: str, field: FieldInfo) -> Member:
    limits = {key: getattr(one, key) for one in field.metadata for key in ("ge", "le") if hasattr(one, key)}
    required = field.is_required()
    default = None if required else field.get_default(call_default_factory=True)
    low, high = limits.get("ge"), limits.get("le")
    form = _form(field.annotation)
    if isinstance(low, int) and isinstance(high, int):
        form = f"{form}, {low} to {high}"
    known: tuple[type[Any], ...] = (bool, int, str)
    kind = next((one for one in known if one is field.annotation), None)
    number = {key: value if isinstance(value, int) else None for key, value in (("low", low), ("high", high))}
    return Member(name, form, required, _shown(default), kind, number["low"], number["high"])


def _form(annotation: Any) -> str:
    if annotation in _NAMES:
        return _NAMES[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{one.value}`" for one in annotation)
    return _composed(origin, parts) if parts else str(annotation)


def _composed(origin: Any, parts: tuple[Any, ...]) -> str:
    if origin is types.UnionType or origin is Union:
        return ", ".join(_form(part) for part in parts if part is not type(None))
    if origin is dict:
        return f"table: {_form(parts[0])} = {_form(parts[1])}"
    if origin in {tuple, frozenset}:
        return f"list of {_form(parts[0])}"
    return _form(parts[0])


def _shown(default: Any) -> str:
    if default is None or default in ((), frozenset(), {}):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, timedelta):
        return f"{int(default.total_seconds())} s"
    return str(default.value if isinstance(default, Enum) else default)
