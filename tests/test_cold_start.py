"""What a start of the hub does without, so that a restart at a busy counter is short and a process small."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import url_for
from werkzeug.routing import Rule

from mykey_core.storage import migrate, pending
from mykey_core.storage.engine import open_engine
from mykey_testkit.hub import HubHarness
from mykey_web.app import create_app
from mykey_web.demo.town import make_town
from mykey_web.operations.environment import CONFIG

_START = """
import sys
from pathlib import Path
from mykey_core.hub import open_hub
from mykey_core.settings import load_settings
from mykey_web.app import create_app
hub = open_hub(load_settings(Path(sys.argv[1])))
create_app(hub)
active = {name for name in hub.plugins.plugins}
hub.close()
print(*active)
print(*{name.partition(".")[0] for name in sys.modules})
"""
_MANY_OBJECTS = 50_000
_SERVED = """
import gc
from mykey_web.operations.start import application
application()
print(gc.isenabled(), gc.get_freeze_count())
"""
_ON_USE = {
    "alembic": "migrations: `mykey db upgrade`",
    "mako": "Alembic's templates",
    "pygments": "Alembic's and httpx's colours",
    "httpx": "status of certificates over HTTP, webhooks, and plugins that ask other hosts",
    "rich": "httpx's command line",
    "webauthn": "passkeys of staff",
    "OpenSSL": "attestations of passkeys, which we do not ask for",
    "pyasn1": "attestations of passkeys",
    "limits": "the first thing that is counted",
    "structlog": "logs of `mykey serve`",
    "pyhanko": "signed documents",
    "pyhanko_certvalidator": "the general path, for certificates that the fast path does not take",
    "reportlab": "paper",
}


def test_a_start_loads_no_library_that_waits_for_its_use(tmp_path: Path) -> None:
    """A fresh process opens the demo's town with its plugins; none of these is loaded (docs/adr/0110)."""
    town = make_town(tmp_path / "town", "http://127.0.0.1:8000", datetime.now(UTC))
    command = [sys.executable, "-c", _START, str(town.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    active, loaded = (set(line.split()) for line in done.stdout.splitlines())
    assert "library" in active
    assert {"flask", "sqlalchemy", "mykey_web"} <= loaded
    assert loaded & _ON_USE.keys() == set()


def test_what_a_worker_made_at_its_start_is_never_searched_for_garbage(tmp_path: Path) -> None:
    """The factory that granian calls leaves the collector on, with the modules and the hub out of its sight."""
    town = make_town(tmp_path / "town", "http://127.0.0.1:8000", datetime.now(UTC))
    command, environment = [sys.executable, "-c", _SERVED], {**os.environ, CONFIG: str(town.config)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    enabled, frozen = done.stdout.split()
    assert enabled == "True"
    assert int(frozen) > _MANY_OBJECTS


@pytest.mark.parametrize("package", ["mykey_library", "mykey_taxi"])
def test_the_newest_revision_of_a_plugin_is_the_one_that_alembic_finds(package: str, tmp_path: Path) -> None:
    """What a start reads from the plugins' files by itself agrees with the judge."""
    engine = open_engine(f"sqlite:///{tmp_path}/test.sqlite3")
    newest = migrate.status(engine, package)[1]
    engine.dispose()
    assert newest is not None
    assert pending.newest_revision(package) == newest


def test_addresses_are_compiled_on_use(library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """An application is made without compiling a builder; the first address of a rule compiles that rule's own."""
    compiled = []
    compile_builder = Rule._compile_builder

    def watched(rule: Rule, *arguments: bool) -> Any:
        compiled.append(rule.rule)
        return compile_builder(rule, *arguments)

    monkeypatch.setattr(Rule, "_compile_builder", watched)
    app = create_app(library_hub.hub)
    assert compiled == []
    with app.test_request_context():
        for _ in range(2):
            assert url_for("static", filename="mykey.css", v="1") == "/static/mykey.css?v=1"
    assert compiled == ["/static/<path:filename>"]
