"""What the plugin platform costs: finding a service among 100 plugins, a guarded call of a hook, the walls of a tap.

Each line is µs a call and its ratio to the plainest thing that could stand there. Run alone on the machine.
"""

from __future__ import annotations

import json
import tempfile
import timeit
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pluggy
from sqlalchemy import Column, Integer, MetaData, String, Table, select

from mykey_core.plugins import hookspecs
from mykey_core.plugins.calls import call
from mykey_core.plugins.config import PluginChoice
from mykey_core.plugins.context import PluginContext
from mykey_core.plugins.database import opened
from mykey_core.plugins.hookspecs import hookimpl
from mykey_core.plugins.loader import LoadedPlugin
from mykey_core.plugins.log import PluginLog
from mykey_core.plugins.manifest import parse_manifest
from mykey_core.plugins.runtime import PluginRuntime
from mykey_core.storage.database import open_database
from mykey_core.translations import Text

TOWN, PLUGINS, ROUNDS = "132217", 100, 20_000
ROUTE_LIMIT_US = 5.0  # issue 7, item 1
MANIFEST = """
name = "bench{number}"
title = {{ ja = "計測" }}
description = {{ ja = "計測" }}
version = "1"
api = "0.2"
package = "bench"
legal_basis = {{ ja = "なし" }}
retention = {{ ja = "なし" }}
[requests]
capabilities = ["tap", "database"]
[[services]]
name = "bench-desk-{number}"
title = {{ ja = "計測" }}
description = {{ ja = "計測" }}
[[services.actions]]
name = "open"
title = {{ ja = "計測" }}
subject = "none"
"""
_TEXT = Text("x")
_thing = Table("bench0_thing", MetaData(), Column("municipality", String(6)), Column("id", Integer))


@hookimpl
def mykey_consent_text(context: PluginContext, purpose: str) -> Text:  # noqa: ARG001 - the hook's arguments
    """A hook that does nothing."""
    return _TEXT


def make_plugin(number: int) -> LoadedPlugin:
    """One of the hundred."""
    manifest = parse_manifest(MANIFEST.format(number=number), f"bench{number}")
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(SimpleNamespace(mykey_consent_text=mykey_consent_text))
    grants = frozenset({"tap", "database"})
    context = PluginContext(manifest, TOWN, {}, grants, PluginLog(manifest.name))
    return LoadedPlugin(context, PluginChoice(), manager)


def microseconds(act: Any, rounds: int = ROUNDS) -> float:
    """The best of five, in µs a call."""
    return min(timeit.repeat(act, number=rounds, repeat=5)) / rounds * 1e6


def walls(folder: Path) -> dict[str, float]:
    """A transaction with ten reads of a plugin's table on SQLite, with its walls up and without."""
    database = open_database(f"sqlite:///{folder}/bench.sqlite3", TOWN)
    _thing.metadata.create_all(database.engine)
    statement = select(_thing.c.id).where(_thing.c.municipality == TOWN)

    def reads(prefix: str, *, walled: bool) -> None:
        with database.reading() as session:
            if not walled:
                for _ in range(10):
                    session.execute(statement).all()
                return
            with opened("bench0", prefix, TOWN, session, granted=True) as handle:
                for _ in range(10):
                    handle.execute(statement).all()

    plain = microseconds(lambda: reads("bench0_", walled=False), 300)
    walled = microseconds(lambda: reads("bench0_", walled=True), 300)
    database.dispose()
    return {"ten reads": plain, "ten reads within the walls": walled}


def main() -> None:
    """Measure and print; the exit status says whether routing keeps its limit."""
    plugins = {f"bench{number}": make_plugin(number) for number in range(PLUGINS)}
    runtime = PluginRuntime(plugins, [])
    alone = {"bench-desk-99": object()}
    last = plugins["bench99"]
    plain = microseconds(lambda: alone["bench-desk-99"])
    route = microseconds(lambda: runtime.route("bench-desk-99"))
    direct = microseconds(lambda: mykey_consent_text(last.context, "x"))
    hook = microseconds(lambda: last.manager.hook.mykey_consent_text(context=last.context, purpose="x"))
    guarded = microseconds(lambda: call(last, "mykey_consent_text", Text, context=last.context, purpose="x"))
    lines = [("dictionary of one", plain, plain), (f"route among {PLUGINS}", route, plain)]
    lines += [("function called directly", direct, direct), ("hook of pluggy", hook, direct)]
    lines += [("hook with its guard", guarded, direct)]
    with tempfile.TemporaryDirectory() as folder:
        measured = list(walls(Path(folder)).items())
    lines += [(name, cost, measured[0][1]) for name, cost in measured]
    for name, cost, base in lines:
        print(f"{name:32} {cost:9.3f} µs  ×{cost / base:.2f}")
    print(json.dumps({"route_us": round(route, 3), "limit_us": ROUTE_LIMIT_US, "guarded_us": round(guarded, 3)}))
    raise SystemExit(route > ROUTE_LIMIT_US)


if __name__ == "__main__":
    main()
