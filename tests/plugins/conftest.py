"""Plugins as real distributions: a package with its manifest and migrations, and a dist-info folder, on the path."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mykey_testkit.hub import HubHarness
from mykey_testkit.postgres import DatabaseUrls

MANIFEST = """
name = "{name}"
title = {{ ja = "見本", en = "Sample" }}
description = {{ ja = "見本", en = "Sample" }}
version = "{version}"
api = "{api}"
package = "{package}"
legal_basis = {{ ja = "なし", en = "None" }}
retention = {{ ja = "なし", en = "None" }}
{members}
[requests]
capabilities = [{capabilities}]
{rest}
[[services]]
name = "{name}-desk"
title = {{ ja = "見本", en = "Sample" }}
description = {{ ja = "見本", en = "Sample" }}
[[services.actions]]
name = "open"
title = {{ ja = "見本", en = "Sample" }}
subject = "none"
"""
CODE = """
from mykey_core.api import *
from sqlalchemy import Column, Integer, MetaData, String, Table, delete, func, insert, select

metadata = MetaData()
thing = Table(
    "{prefix}thing",
    metadata,
    Column("municipality", String(6), primary_key=True),
    Column("id", Integer, primary_key=True),
)


@hookimpl
def mykey_tap(context, request, database):
    own = thing.c.municipality == database.municipality
    number = database.execute(select(func.count()).select_from(thing).where(own)).scalar() + 1
    database.execute(insert(thing), {{"municipality": database.municipality, "id": number}})
    return TapResult(Outcome.DONE, "{name}.done", Message(context.text("done", number=number)))


class Everything:
    def export(self, subject, database):
        own = thing.c.municipality == database.municipality
        return [row.id for row in database.execute(select(thing.c.id).where(own))]

    def shred(self, subject, database):
        return database.execute(delete(thing).where(thing.c.municipality == database.municipality)).rowcount


@hookimpl
def mykey_shredder(context):
    return Everything()
"""
ENVIRONMENT = """
from alembic import context
context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
"""
FIRST = """
import sqlalchemy as sa
from alembic import op
revision = "0001"
down_revision = None

def upgrade():
    op.create_table(
        "{prefix}thing",
        sa.Column("municipality", sa.String(6), primary_key=True),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    )
"""


@dataclass
class Distributions:
    """A folder on Python's path into which a test installs plugins."""

    folder: Path
    names: list[str] = field(default_factory=list)

    def install(
        self,
        name: str,
        code: str = CODE,
        *,
        api: str = "0.2",
        version: str = "1",
        capabilities: tuple[str, ...] = ("database", "tap"),
        members: str = "",
        rest: str = "",
        migrations: tuple[str, ...] = (FIRST,),
        files: dict[str, str] | None = None,
    ) -> str:
        """Lay a distribution there, in place of one of this name; the lines of `plugins.toml` that enable it."""
        self.remove(name)
        package, prefix = f"stranger_{name}", f"{name}_"
        folder = self.folder / package
        names = {"name": name, "package": package, "prefix": prefix, "api": api, "version": version}
        quoted = ", ".join(f'"{capability}"' for capability in capabilities)
        texts = {
            "__init__.py": code.replace("{{", "\0").replace("}}", "\1"),
            "mykey-plugin.toml": MANIFEST.format(**names, capabilities=quoted, members=members, rest=rest),
            "migrations/env.py": ENVIRONMENT,
            "translations/ja.po": 'msgid ""\nmsgstr ""\n\nmsgid "done"\nmsgstr "{number}"\n',
            **{f"migrations/versions/{place:04}.py": text for place, text in enumerate(migrations, 1)},
            **(files or {}),
        }
        for path, text in texts.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            for key, value in names.items():
                text = text.replace(f"{{{key}}}", value) if path.endswith(".py") else text  # noqa: PLW2901
            target.write_text(text.replace("\0", "{").replace("\1", "}"), encoding="utf-8")
        information = self.folder / f"{package}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (information / "entry_points.txt").write_text(f"[mykey.plugins]\n{name} = {package}\n")
        self.names.append(package)
        self._forget()
        return f"[plugins.{name}]\ngrants = [{quoted}]\n"

    def remove(self, name: str) -> None:
        """Uninstall a distribution."""
        for path in self.folder.glob(f"stranger_{name}*"):
            shutil.rmtree(path)
        self._forget()

    def _forget(self) -> None:
        importlib.invalidate_caches()
        for name in [name for name in sys.modules if name.split(".")[0] in self.names]:
            del sys.modules[name]


@pytest.fixture
def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distributions]:
    """Where a test installs plugins; they are gone afterwards."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    found = Distributions(folder)
    yield found
    for name in list(found.names):
        found.remove(name.removeprefix("stranger_"))


@pytest.fixture
def town(tmp_path: Path, hub_database: DatabaseUrls | None) -> Iterator[Callable[[str], HubHarness]]:
    """Opens the test's hub with this `plugins.toml`, on each database; its service point offers every `…-desk`."""
    opened: list[HubHarness] = []

    def open_town(plugins: str, **more: Any) -> HubHarness:
        services = [line[9:-1] + "-desk" for line in plugins.splitlines() if line.startswith("[plugins.")]
        opened.append(HubHarness(tmp_path / "town", plugins, services, database=hub_database, **more))
        return opened[-1]

    (tmp_path / "town").mkdir()
    yield open_town
    for hub in opened:
        hub.close()
