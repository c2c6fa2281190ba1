"""Whether migrations are pending, without Alembic: every start asks, and importing Alembic is a tenth of a start.

Only a plain yes is found here, one line of migrations and one row; whatever else there is, Alembic is asked.
"""

from __future__ import annotations

import ast
from importlib.resources import files
from typing import Any, Final

from sqlalchemy import Engine, column, inspect, select, table

from mykey_core.storage import migrate

_NAMES: Final = {"revision", "down_revision"}


def is_current(engine: Engine, package: str, version_table: str) -> bool:
    """Whether the database has seen every migration of `package`."""
    newest = newest_revision(package)
    if newest is not None and _revisions_of(engine, version_table) == [newest]:
        return True
    current, head = migrate.status(engine, package, version_table)
    return current == head


def newest_revision(package: str) -> str | None:
    """The revision that no other one builds on, as the files in `migrations/versions` say; None unless just one."""
    versions = files(package) / "migrations" / "versions"
    if not versions.is_dir():
        return None
    found = [_constants(file.read_text(encoding="utf-8")) for file in versions.iterdir() if file.name.endswith(".py")]
    if not all(each.keys() >= _NAMES for each in found):
        return None
    heads = {each["revision"] for each in found} - {each["down_revision"] for each in found}
    return heads.pop() if len(heads) == 1 else None


def _constants(source: str) -> dict[str, Any]:
    """Those of `revision` and `down_revision` that a module sets at its top to one word, or to None."""
    found: dict[str, Any] = {}
    for node in ast.parse(source).body:
        match node:
            case ast.Assign([ast.Name(name)], ast.Constant(value)):
                found[name] = value
            case ast.AnnAssign(ast.Name(name), _, ast.Constant(value)):
                found[name] = value
    return {name: found[name] for name in _NAMES & found.keys()}


def _revisions_of(engine: Engine, version_table: str) -> list[str]:
    if not inspect(engine).has_table(version_table):
        return []
    with engine.connect() as connection:
        return list(connection.execute(select(column("version_num")).select_from(table(version_table))).scalars())
