"""Hubs for tests of plugins: enabled as a municipality would, with all grants or with all but one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from mykey_core.plugins.jobs import LongJob
from mykey_core.plugins.json_values import Json
from mykey_core.plugins.loader import PluginReport, PluginState, installed_plugins
from mykey_core.plugins.manifest import Manifest, read_manifest
from mykey_core.plugins.pages import Area
from mykey_testkit.browsers import PageClient, citizen_client, staff_client
from mykey_testkit.hub import MUNICIPALITY, HubHarness
from mykey_testkit.postgres import DatabaseUrls
from mykey_web.pages.areas import PREFIXES


def manifest_of(name: str) -> Manifest:
    """The manifest of an installed plugin, read without importing it."""
    points = installed_plugins()
    if name not in points:
        raise LookupError(f"the plugin '{name}' is not installed: run `pip install -e .` in its folder")
    return read_manifest(points[name].value, name)


def plugins_toml(
    names: Collection[str],
    *,
    without: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """A `plugins.toml` that enables `names` and grants all that they ask for, but for the grant `without`."""
    document = tomlkit.document()
    document["plugins"] = {
        name: {
            "enabled": True,
            "grants": sorted(manifest_of(name).requests.grants - {without}),
            "settings": dict(settings or {}),
        }
        for name in names
    }
    return tomlkit.dumps(document)


@dataclass
class PluginHub(HubHarness):
    """`HubHarness` for the plugin called `plugin`, with clients for the pages of citizens and staff."""

    plugin: str = field(default="", kw_only=True)

    def configure(self, *, without: str | None = None) -> None:
        """Write `plugins.toml` anew, with all grants but `without`, and open the hub again."""
        self.config.with_name("plugins.toml").write_text(plugins_toml([self.plugin], without=without), encoding="utf-8")
        self.restart()

    @property
    def report(self) -> PluginReport:
        """The state of the plugin and the reason for it."""
        return next(report for report in self.hub.plugins.reports if report.name == self.plugin)

    def citizen(self, persona: str) -> PageClient:
        """A browser in which the card of `persona` has signed in."""
        return citizen_client(self, persona)

    def staff(self, *roles: str, persona: str = "renewed") -> PageClient:
        """A browser in which a member of staff with these roles has signed in."""
        return staff_client(self, persona, roles)

    def run_job(self, name: str, arguments: Mapping[str, Json] | None = None) -> None:
        """Run a job of the plugin now, by the hub's clock, as the worker does."""
        plugins, begin = self.hub.plugins, self.hub.database.writing
        job = plugins.job(self.plugin, name)
        if isinstance(job, LongJob):
            plugins.run_long_job(self.plugin, job, arguments or {}, begin, self.clock())
            return
        with begin() as session:
            plugins.run_job(self.plugin, name, arguments or {}, session, self.clock())

    def pass_days(self, days: int) -> None:
        """Let days pass. What is due on one of them is for `run_job`."""
        self.clock.move(timedelta(days=days - 1))
        self.next_day()

    def addresses(self, *areas: str) -> list[str]:
        """The addresses of the plugin's pages in these areas that can be read without an argument."""
        begins = tuple(f"{PREFIXES[Area(area)]}/{self.plugin}/" for area in areas)
        rules = (rule for rule in self.app.url_map.iter_rules() if rule.rule.startswith(begins))
        return sorted(rule.rule for rule in rules if "GET" in (rule.methods or ()) and not rule.arguments)

    def anonymous(self) -> PageClient:
        """A browser in which nobody has signed in."""
        return PageClient(self)


MakeHub = Callable[..., PluginHub]


@dataclass
class HubMoulds:
    """Closed hubs on SQLite that are copied: what a test run asks for a second time is made once more and then kept."""

    factory: pytest.TempPathFactory
    asked: set[str] = field(default_factory=set)
    made: dict[str, PluginHub] = field(default_factory=dict)

    def like(self, plugin: str, text: str, services: Sequence[str], municipality: str) -> PluginHub | None:
        """The mould of a hub with these settings; None when it is asked for the first time."""
        key = repr((plugin, text, tuple(services), municipality))
        if key in self.asked and key not in self.made:
            folder = self.factory.mktemp("mould")
            self.made[key] = PluginHub(folder, text, services, municipality=municipality, plugin=plugin)
            self.made[key].close()
        self.asked.add(key)
        return self.made.get(key)


@pytest.fixture(scope="session")
def hub_moulds(tmp_path_factory: pytest.TempPathFactory) -> HubMoulds:
    """What `make_hub` copies."""
    return HubMoulds(tmp_path_factory)


@pytest.fixture
def make_hub(tmp_path: Path, hub_moulds: HubMoulds) -> Iterator[MakeHub]:
    """Make hubs: `make_hub("stamps")`, with `without`, `settings`, `others`, `database`, `municipality`, `may_fail`."""
    made: list[PluginHub] = []

    def make(
        plugin: str,
        *,
        without: str | None = None,
        settings: Mapping[str, Any] | None = None,
        others: Collection[str] = (),
        database: DatabaseUrls | None = None,
        municipality: str = MUNICIPALITY,
        may_fail: bool = False,
    ) -> PluginHub:
        folder = tmp_path / f"hub-{len(made) + 1}"
        folder.mkdir()
        services = [service.name for name in (plugin, *others) for service in manifest_of(name).services]
        text = plugins_toml([plugin], without=without, settings=settings) + plugins_toml_of(others)
        mould = hub_moulds.like(plugin, text, services, municipality) if database is None else None
        options: dict[str, Any] = {"database": database, "municipality": municipality, "mould": mould}
        made.append(PluginHub(folder, text, services, plugin=plugin, **options))
        report = made[-1].report
        assert may_fail or without is not None or report.state is PluginState.ACTIVE, (
            f"{plugin} is {report.state}: {report.reason}"
        )
        return made[-1]

    yield make
    for hub in made:
        hub.close()


def plugins_toml_of(others: Collection[str]) -> str:
    """The part of the others, without settings of their own."""
    return plugins_toml(others) if others else ""
