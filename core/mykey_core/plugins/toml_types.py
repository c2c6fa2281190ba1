"""Types of models as a reader of a TOML file sees them: text, integer, list of …, table. For reference pages."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_NAMES: dict[Any, str] = {str: "text", int: "integer", bool: "boolean", Path: "path", Any: "any value"}


def toml_type(annotation: Any) -> str:
    """A type as a reader of TOML sees it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return toml_type(inner[0])
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in inner)
    if origin in (Union, UnionType):
        return " or ".join(toml_type(part) for part in inner if part is not NoneType)
    if origin in (dict, tuple, frozenset):
        whole = f"table: {toml_type(inner[0])} → " if origin is dict else "list of "
        return whole + toml_type(inner[1 if origin is dict else 0])
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f'"{member.value}"' for member in annotation)
    return _NAMES.get(annotation, "table")
