"""The suite that every plugin has to pass. Subclass `PluginConformance` in the plugin's own tests and name the plugin.

It runs the plugin in real hubs, on SQLite and PostgreSQL, as a municipality would: it never looks at how the plugin
does its work, only at what it leaves behind, what it refuses, and what it says.
"""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import pytest
from alembic import command
from sqlalchemy import event, func, inspect, select, table

from mykey_cardap.errors import CardRemovedError
from mykey_core.plugin_kit import code_rules, file_rules
from mykey_core.plugin_kit.repository import Repository
from mykey_core.plugins.database import PluginDatabase
from mykey_core.plugins.errors import CapabilityDenied
from mykey_core.plugins.loader import LoadedPlugin, PluginState, installed_plugins
from mykey_core.plugins.manifest import Capability, Manifest
from mykey_core.storage import migrate
from mykey_core.storage.engine import open_engine
from mykey_testkit import accessibility
from mykey_testkit.canaries import canaries, sung
from mykey_testkit.cards import TornTransport
from mykey_testkit.hub import OTHER_TOWN, TerminalClient, sign_challenge
from mykey_testkit.plugin_hub import MakeHub, PluginHub, manifest_of
from mykey_testkit.postgres import DatabaseUrls

_PERSON = "adult"
_OF_MEMBERS = {"card": "card-slot"} | {name: name for name in ("events", "jobs", "audit", "http")}
_KEY = re.compile(r"[a-z_]+(\.[a-z_]+)+")
MOST_STATEMENTS = 60
"""More statements than this in one tap is a loop over rows: the budget counts, because a clock would lie under load."""


def _texts(value: Any) -> Iterator[str]:
    """What people read of an answer: every text in its message and its view."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner) if name not in {"code", "offers", "outcome", "visit", "kind", "level"} else ()
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


@dataclass(frozen=True, slots=True)
class SampleAction:
    """An action that leaves something behind: of which service, and with which input. `None` for no sample."""

    service: str
    action: str
    input: Mapping[str, str] = field(default_factory=dict)


class PluginConformance:
    """Set `plugin`; and `sample`, when the plugin has a service. Override `prepare` to put in what the sample needs."""

    plugin: ClassVar[str]
    sample: ClassVar[SampleAction | None] = None
    settings: ClassVar[Mapping[str, Any]] = {}

    def prepare(self, hub: PluginHub) -> None:
        """Put into the plugin's tables what the sample action needs, such as a patron; nothing by default."""

    # -- manifest and loading -------------------------------------------------------------------------------

    @pytest.fixture
    def manifest(self) -> Manifest:
        """The plugin's manifest."""
        return manifest_of(self.plugin)

    @pytest.fixture
    def hub(self, make_hub: MakeHub) -> PluginHub:
        """A hub on SQLite with the plugin active and prepared."""
        return self._made(make_hub)

    def _made(self, make_hub: MakeHub, **options: Any) -> PluginHub:
        hub = make_hub(self.plugin, settings=self.settings, **options)
        if hub.report.state is PluginState.ACTIVE:
            self.prepare(hub)
        return hub

    def test_its_manifest_is_read_without_importing_it(self, manifest: Manifest) -> None:
        """A municipality can see what a plugin asks for before any of its code has run."""
        program = (
            "import sys; from importlib.metadata import entry_points; "
            "from mykey_core.plugins.manifest import read_manifest; "
            f"(point,) = entry_points(group='mykey.plugins', name={self.plugin!r}); "
            f"read_manifest(point.value, {self.plugin!r}); print({manifest.package!r} in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
        assert done.stdout.strip() == "False"

    def test_it_loads_alone(self, hub: PluginHub) -> None:
        """With all that it asks for, and no other plugin, it is active."""
        assert (hub.report.state, hub.report.reason) == (PluginState.ACTIVE, "")

    def test_it_loads_with_all_others(self, make_hub: MakeHub) -> None:
        """Together with every other installed plugin it is active still, and disturbs none of them."""
        others = sorted(installed_plugins().keys() - {self.plugin})
        hub = self._made(make_hub, others=others)
        broken = [report for report in hub.hub.plugins.reports if report.state is not PluginState.ACTIVE]
        assert broken == []

    def test_a_missing_grant_makes_it_inactive(self, make_hub: MakeHub, manifest: Manifest) -> None:
        """Each grant that is left out is named as the reason; the hub runs on without the plugin."""
        hub = make_hub(self.plugin)
        for grant in sorted(manifest.requests.grants):
            hub.configure(without=grant)
            report = hub.report
            assert report.state is PluginState.INACTIVE, grant
            assert grant in report.reason

    def test_what_it_does_not_ask_for_is_denied(self, hub: PluginHub) -> None:
        """A member of the context behind a capability that the plugin has not asked for raises the typed denial."""
        context = self._loaded(hub).context
        for member, capability in _OF_MEMBERS.items():
            if not context.may(capability):
                with pytest.raises(CapabilityDenied) as denied:
                    getattr(context, member)
                assert denied.value.capability == capability

    # -- tables ---------------------------------------------------------------------------------------------

    def test_its_migrations_go_up_down_and_up(self, make_hub: MakeHub, hub_database: DatabaseUrls | None) -> None:
        """On both databases: after the way down no table of the plugin is left, and the way up works again."""
        hub = self._made(make_hub, database=hub_database)
        manifest = self._loaded(hub).context.manifest
        if Capability.DATABASE not in manifest.requests.capabilities:
            assert self._tables(hub) == set()
            return
        before = self._tables(hub)
        assert before
        hub.hub.close()
        self._migrate_down(hub, manifest)
        assert self._tables(hub) == set()
        migrate.upgrade(self._owner(hub), manifest.package, migrate.version_table_of(manifest.name))
        assert self._tables(hub) == before
        hub.restart()

    def test_every_table_begins_with_the_municipality(self, hub: PluginHub) -> None:
        """The primary key of each table begins with the municipality, so that towns can be told apart and moved."""
        inspector = inspect(hub.hub.engine)
        keys = {name: inspector.get_pk_constraint(name)["constrained_columns"] for name in self._tables(hub)}
        assert {name: key[:1] for name, key in keys.items()} == {name: ["municipality"] for name in keys}

    def _tables(self, hub: PluginHub) -> set[str]:
        prefix = manifest_of(self.plugin).table_prefix
        engine = self._owner(hub)
        names = {name for name in inspect(engine).get_table_names() if name.startswith(prefix)}
        engine.dispose()
        return names

    def _owner(self, hub: PluginHub) -> Any:
        return open_engine(hub.settings.database_owner_url or hub.settings.database_url)

    def _migrate_down(self, hub: PluginHub, manifest: Manifest) -> None:
        engine = self._owner(hub)
        with engine.begin() as connection:
            folder = str(files(manifest.package) / "migrations")
            table_of_versions = migrate.version_table_of(manifest.name)
            command.downgrade(migrate.configuration(folder, table_of_versions, connection), "base")
        engine.dispose()

    # -- people ---------------------------------------------------------------------------------------------

    def test_the_sample_is_done(self, make_hub: MakeHub, hub_database: DatabaseUrls | None) -> None:
        """The sample action of the suite works on both databases; everything below builds on it."""
        self._require_sample()
        hub = self._made(make_hub, database=hub_database)
        answer = self._act(hub)
        assert answer.get("result", {}).get("outcome") == "done", answer
        assert [text for text in _texts(answer["result"]) if _KEY.fullmatch(text)] == [], "a key without a text"

    def test_another_town_sees_nothing(self, make_hub: MakeHub) -> None:
        """After an action in one town, the export for another town's hub holds nothing of it."""
        self._require_sample()
        hub = self._made(make_hub)
        self._act(hub)
        other = self._made(make_hub, municipality=OTHER_TOWN)
        mine, theirs = self._export(hub, None), self._export(other, None)
        assert self._subject(hub) in str(mine)
        assert self._subject(hub) not in str(theirs)

    def test_the_shredder_exports_and_leaves_nothing(
        self, make_hub: MakeHub, hub_database: DatabaseUrls | None
    ) -> None:
        """One person's data can be exported and deleted, and after everything is shredded the tables are empty."""
        self._require_sample()
        hub = self._made(make_hub, database=hub_database)
        self._act(hub)
        subject = self._subject(hub)
        assert self._export(hub, subject)
        self._shred(hub, subject)
        assert subject not in str(self._export(hub, None))
        self._shred(hub, None)
        left = {name: self._count(hub, name) for name in self._shredded_tables()}
        assert left == dict.fromkeys(left, 0)

    def _shredded_tables(self) -> set[str]:
        manifest = manifest_of(self.plugin)
        named = set(manifest.shredder.tables) if manifest.shredder else set()
        return named | {column.partition(".")[0] for column in manifest.subject_columns}

    def _count(self, hub: PluginHub, name: str) -> int:
        with self._owner(hub).connect() as connection:
            return int(connection.execute(select(func.count()).select_from(table(name))).scalar_one())

    def _subject(self, hub: PluginHub) -> str:
        """The pairwise id of the person of the sample, as the audit has it."""
        found = [record.facts.get("subject") for record in hub.audit() if record.facts.get("subject")]
        assert found, "the sample action concerns no person"
        return str(found[-1])

    @contextmanager
    def _database(self, hub: PluginHub) -> Iterator[PluginDatabase]:
        with hub.hub.database.writing() as session, hub.hub.plugins.opened(self._loaded(hub), session) as database:
            yield database

    def _loaded(self, hub: PluginHub) -> LoadedPlugin:
        return hub.hub.plugins.plugins[self.plugin]

    def _shredder(self, hub: PluginHub) -> Any:
        found = hub.hub.plugins.shredder(self.plugin)
        assert found is not None, "a plugin that keeps anything about people has the hook mykey_shredder"
        return found

    def _export(self, hub: PluginHub, subject: str | None) -> Any:
        with self._database(hub) as database:
            return self._shredder(hub).export(subject, database)

    def _shred(self, hub: PluginHub, subject: str | None) -> None:
        with self._database(hub) as database:
            self._shredder(hub).shred(subject, database)

    # -- taps -----------------------------------------------------------------------------------------------

    def _require_sample(self) -> None:
        if self.sample is None and manifest_of(self.plugin).services:
            pytest.fail("the plugin has a service: name a `sample` action in the conformance class")
        if self.sample is None:
            pytest.skip("the plugin has no service")

    def _act(self, hub: PluginHub, terminal: TerminalClient | None = None, persona: str = _PERSON) -> dict[str, Any]:
        assert self.sample is not None
        desk = terminal or hub.terminal()
        return desk.tap(persona, self.sample.service, self.sample.action, **self.sample.input)

    def test_a_torn_card_leaves_nothing_half_done(self, make_hub: MakeHub) -> None:
        """The card is pulled away after each of its commands: nothing is written, and the next tap works."""
        self._require_sample()
        hub = self._made(make_hub)
        before = {name: self._count(hub, name) for name in self._shredded_tables()}
        desk = hub.terminal()
        assert self.sample is not None
        for commands in range(1, 60):
            challenge = desk.begin(self.sample.service, self.sample.action, **self.sample.input)
            try:
                sign_challenge(_PERSON, challenge, transport=TornTransport(_PERSON, commands))
            except CardRemovedError:
                continue
            break
        else:
            pytest.fail("the card never got to its signature")
        assert {name: self._count(hub, name) for name in self._shredded_tables()} == before
        assert self._act(hub, desk)["result"]["outcome"] == "done"

    def test_a_tap_keeps_to_its_budget(self, make_hub: MakeHub) -> None:
        """The sample action executes few statements, however much is in the tables."""
        self._require_sample()
        hub = self._made(make_hub)
        desk = hub.terminal()
        seen: list[str] = []
        event.listen(hub.hub.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
        self._act(hub, desk)
        assert len(seen) <= MOST_STATEMENTS, seen

    def test_its_log_names_nobody(self, make_hub: MakeHub, caplog: pytest.LogCaptureFixture) -> None:
        """Whatever it logs at the most talkative level holds no name, address or number of the person."""
        self._require_sample()
        caplog.set_level(logging.DEBUG)
        hub = self._made(make_hub)
        self._act(hub)
        words = canaries(_PERSON) | {"pairwise id": self._subject(hub)}
        assert sung(caplog.text, words) == []

    # -- pages ----------------------------------------------------------------------------------------------

    def test_strangers_are_refused(self, hub: PluginHub) -> None:
        """Nobody who is not signed in sees a page of citizens, staff or administration, or calls a terminal's API."""
        browser = hub.anonymous()
        for address in hub.addresses("citizen", "staff", "admin", "point-api"):
            answer = browser.get(address)
            assert answer.status_code in {302, 303, 401, 403}, address

    def test_its_pages_can_be_read_by_everybody(self, hub: PluginHub) -> None:
        """Each page says its language, has one heading, labels and no inline script, in all three languages."""
        if self.sample is not None:
            self._act(hub)
        browsers = {"citizen": hub.citizen(_PERSON), "public": hub.anonymous()}
        if hub.addresses("staff", "admin"):
            browsers |= dict.fromkeys(("staff", "admin"), hub.staff(*self.roles(hub)))
        for area, browser in browsers.items():
            for address in hub.addresses(area):
                for language in ("ja", "en", "ja-Hira"):
                    self._is_readable(browser.get(f"{address}?lang={language}"), address, language)

    def roles(self, hub: PluginHub) -> tuple[str, ...]:  # noqa: ARG002 - for plugins that look at the hub
        """The roles of the member of staff who looks at the plugin's pages."""
        return ("clerk", "supervisor", "administrator")

    @staticmethod
    def _is_readable(answer: Any, address: str, language: str) -> None:
        assert answer.status_code == 200, (address, answer.status_code)
        if answer.mimetype != "text/html":
            return
        page = answer.get_data(as_text=True)
        assert accessibility.faults_of(page) == [], address
        assert f'lang="{language}"' in page or language == "ja-Hira", address

    # -- wording and code -----------------------------------------------------------------------------------

    @pytest.fixture
    def repository(self, manifest: Manifest) -> Repository:
        """The installed package, as the checker reads it."""
        folder = Path(str(files(manifest.package)))
        return Repository(folder.parent, self.plugin, manifest.package)

    def test_its_wording_is_complete(self, repository: Repository) -> None:
        """Japanese, English and plain Japanese have the same texts, and every text that the code names is there."""
        assert list(file_rules.translations(repository)) == []

    def test_it_uses_the_public_facades_only(self, repository: Repository) -> None:
        """It imports nothing of the hub but the façades, no other plugin, and names its hooks and tables rightly."""
        rules = (code_rules.imports, code_rules.hooks, code_rules.tables, file_rules.templates)
        assert [finding for rule in rules for finding in rule(repository)] == []
