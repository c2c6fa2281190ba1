"""The plugin API as data: every hook, type, context member, capability and manifest key, made from the code itself.

`docs/reference/plugin-api.json` is this document; a change of the API is a change of that file, seen in review.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
from collections.abc import Iterator
from typing import Any

import click
from pydantic import BaseModel

from mykey_core import api as facade
from mykey_core.plugins import hookspecs
from mykey_core.plugins.context import PluginContext
from mykey_core.plugins.deprecations import DEPRECATIONS
from mykey_core.plugins.manifest import Capability, Manifest
from mykey_core.plugins.toml_types import toml_type
from mykey_core.plugins.version import API_VERSION

_SIMPLE = (str, int, bool, float)


def api_document() -> dict[str, Any]:
    """The document as JSON values; the same code gives the same document."""
    return {
        "version": ".".join(map(str, API_VERSION)),
        "hooks": {name: _hook(spec) for name, spec in _hooks()},
        "names": {name: _name(getattr(facade, name)) for name in sorted(facade.__all__)},
        "context": {name: _first_line(member) for name, member in _members(PluginContext)},
        "capabilities": [capability.value for capability in Capability],
        "manifest": dict(sorted(_keys(Manifest))),
        "deprecated": [dataclasses.asdict(entry) for entry in DEPRECATIONS],
    }


def as_text() -> str:
    """The document as it stands in the repository."""
    return json.dumps(api_document(), ensure_ascii=False, indent=2) + "\n"


@click.command()
def api() -> None:
    """Print the plugin API of this version as JSON."""
    click.echo(as_text(), nl=False)


def _hooks() -> Iterator[tuple[str, Any]]:
    for name, spec in sorted(vars(hookspecs).items()):
        if name.startswith("mykey_"):
            yield name, spec


def _hook(spec: Any) -> dict[str, Any]:
    signature = inspect.signature(spec)
    arguments = {name: str(argument.annotation) for name, argument in signature.parameters.items()}
    return {"arguments": arguments, "answer": str(signature.return_annotation), "meaning": _first_line(spec)}


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _name(thing: Any) -> dict[str, Any]:
    """What a name of the façade is: a type with its fields or values and methods, a function, or a value."""
    if isinstance(thing, type) and issubclass(thing, enum.Enum):
        return {"kind": "enum", "values": [member.value for member in thing], "meaning": _first_line(thing)}
    if isinstance(thing, type):
        fields = {f.name: str(f.type) for f in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else {}
        public = {name: text for name, text in fields.items() if not name.startswith("_")}
        methods = [name for name, _ in _members(thing)]
        return {"kind": "class", "fields": public, "members": methods, "meaning": _first_line(thing)}
    if inspect.isfunction(thing):
        return {"kind": "function", "signature": str(inspect.signature(thing)), "meaning": _first_line(thing)}
    return {"kind": "value"}


def _members(owner: type) -> Iterator[tuple[str, Any]]:
    """Methods, properties and fields that `owner` itself defines, by name."""
    for name, member in sorted(vars(owner).items()):
        if not name.startswith("_"):
            yield name, member if callable(member) or isinstance(member, property) else None


def _keys(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, str]]:
    """(`requests.capabilities`, type) of every key of the manifest; lists of tables are written `services[].name`."""
    for name, field in model.model_fields.items():
        inner, many = _table_of(field.annotation)
        if inner is None:
            yield place + name, toml_type(field.annotation)
        else:
            yield from _keys(inner, f"{place}{name}{'[]' if many else ''}.")


def _table_of(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model behind an annotation (`Shreds | None`, `tuple[Service, ...]`), and whether there are many of it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    many = getattr(annotation, "__origin__", None) is tuple
    for inner in getattr(annotation, "__args__", ()):
        if isinstance(inner, type) and not hasattr(inner, "__origin__") and issubclass(inner, BaseModel):
            return inner, many
    return None, False
