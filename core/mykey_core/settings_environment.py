"""Members of `hub.toml` from the environment: `MYKEY_ORIGIN`, `MYKEY_SESSIONS__PROXIES`. The environment wins.

Names are made from the models, so that there is one for each member but those of lists of tables. What a member means
is not here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel

from mykey_core.errors import ConfigurationError

PREFIX: Final = "MYKEY_"
_BETWEEN: Final = "__"
_WHERE: Final = "docs/reference/settings.md lists them"


def variable_of(name: str) -> str:
    """The variable of a dotted member: `sessions.proxies` → `MYKEY_SESSIONS__PROXIES`."""
    return PREFIX + name.upper().replace(".", _BETWEEN)


def variables(model: type[BaseModel]) -> dict[str, str]:
    """Variable → dotted member, for every member that the environment can give."""
    return {variable_of(name): name for name, _ in _members(model, "")}


def given(model: type[BaseModel], environment: Mapping[str, str]) -> dict[str, str]:
    """Dotted member → variable, for those that this environment gives. An empty variable gives nothing."""
    known = variables(model)
    return {known[name]: name for name in sorted(environment) if name in known and environment[name]}


def overlay(raw: dict[str, Any], model: type[BaseModel], environment: Mapping[str, str]) -> None:
    """Put what the environment gives into the tables of the file.

    Text stands as it is, a list or a table as in TOML (`["a", "b"]`). `ConfigurationError` names a variable of a
    table of `hub.toml` that has no such member, or a value that is no TOML.
    """
    _refuse_unknown(model, environment)
    structured = {name for name, annotation in _members(model, "") if _is_structured(annotation)}
    for member, variable in given(model, environment).items():
        *tables, last = member.split(".")
        table = raw
        for part in tables:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise ConfigurationError(part, "it is a table: write [" + part + "]")
        text = environment[variable]
        table[last] = _parsed(variable, text) if member in structured else text


def _refuse_unknown(model: type[BaseModel], environment: Mapping[str, str]) -> None:
    """A plugin's secret may have any name, but none that begins like a table of `hub.toml`."""
    known = variables(model)
    tables = {name.partition(_BETWEEN)[0] + _BETWEEN for name in known if _BETWEEN in name}
    for name in sorted(environment):
        if name not in known and name.startswith(tuple(tables)):
            raise ConfigurationError(name, f"no setting has this environment variable; {_WHERE}")


def _parsed(variable: str, text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(variable, 'a list or a table is written as in TOML, such as ["a", "b"]') from error


def _members(model: type[BaseModel], before: str) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        tables = _models(field.annotation)
        if len(tables) == 1:
            yield from _members(tables[0], f"{before}{name}.")
        elif not tables:
            yield before + name, field.annotation


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models(part)]


def _is_structured(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin in {tuple, list, dict, frozenset, set}:
        return True
    return any(_is_structured(part) for part in get_args(annotation))
