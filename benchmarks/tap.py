"""P1 and P3: what a tap costs, against floors that do only what cannot be left out.

FLOOR-C is parsing the certificate and two RSA verifications. FLOOR-T is a composed program of bare WSGI, JSON,
FLOOR-C, and the raw SQLite driver with one prepared select and one autocommit insert. Ours is the hub's WSGI
application answering `POST /api/v1/taps/{id}/proof` for a known person, with a plugin that answers at once: token,
path, revocation, identity, pairwise id, plugin, nonce, audit and result in one commit.

Rounds are interleaved over 3,000 distinct certificates; medians of CPU time are quoted (performance.md §§6, 7).
"""

from __future__ import annotations

import argparse
import io
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pluggy
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import OKPKey
from sqlalchemy import event
from tap_validate import COUNT, KIND, ORIGIN, ROUNDS, Case, Material, floor_validate, make_material
from tap_validate import measure as cost
from uuid_utils.compat import uuid7

from mykey_core.authentication.verifier import LoginPolicy, TokenVerifier
from mykey_core.hub import Hub, upgrade_database
from mykey_core.identity.people import People
from mykey_core.keys.file import load_keys
from mykey_core.logins import open_logins
from mykey_core.plugins import hookspecs
from mykey_core.plugins.arguments import TapRequest
from mykey_core.plugins.config import PluginChoice
from mykey_core.plugins.context import PluginContext, PluginDatabase
from mykey_core.plugins.hookspecs import hookimpl
from mykey_core.plugins.loader import LoadedPlugin
from mykey_core.plugins.log import PluginLog
from mykey_core.plugins.manifest import parse_manifest
from mykey_core.plugins.results import Message, Outcome, TapResult
from mykey_core.plugins.runtime import PluginRuntime
from mykey_core.settings import load_settings
from mykey_core.storage.database import Database, open_database
from mykey_core.taps import store as tap_store
from mykey_core.taps.residence import Residence
from mykey_core.taps.service import TapService
from mykey_core.terminals.registry import TerminalRegistry
from mykey_core.translations import Text
from mykey_core.trust.fast_path import validate
from mykey_core.trust.revocation.budget import RiskClass
from mykey_web.app import create_app
from mykey_web.setup import write_new_hub

MUNICIPALITY = "132217"
TARGET_P3 = 2.5
_MANIFEST = """
name = "bench"
title = { ja = "計測" }
description = { ja = "計測" }
version = "0"
api = "0.1"
package = "mykey_core"
legal_basis = { ja = "なし" }
retention = { ja = "なし" }
requests = { capabilities = ["tap"] }
[[services]]
name = "bench"
title = { ja = "計測" }
description = { ja = "計測" }
[[services.actions]]
name = "open"
title = { ja = "計測" }
subject = "registered"
"""
_ANSWER = TapResult(Outcome.DONE, "bench.done", Message(Text("page.title")))


@hookimpl
def mykey_tap(context: PluginContext, request: TapRequest, database: PluginDatabase) -> TapResult:  # noqa: ARG001
    """A plugin that answers at once."""
    return _ANSWER


def _runtime() -> PluginRuntime:
    manifest = parse_manifest(_MANIFEST, "bench")
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(SimpleNamespace(mykey_tap=mykey_tap))
    context = PluginContext(manifest, MUNICIPALITY, {}, frozenset({"tap"}), PluginLog("bench"))
    return PluginRuntime({"bench": LoadedPlugin(context, PluginChoice(), manager)}, [])


class Ours:
    """The hub's WSGI application with all persons enrolled."""

    def __init__(self, folder: Path, material: Material, synchronous: str, urls: tuple[str, str] | None = None) -> None:
        """`urls` are those of the hub's role and of the owner in PostgreSQL; SQLite in `folder` without them."""
        self._material = material
        pem = folder / "ca.pem"
        pem.write_bytes(material.ca.public_bytes(Encoding.PEM))
        titles = {"ja": "計測市"}
        home = folder / "hub"
        write_new_hub(home, municipality=MUNICIPALITY, titles=titles, origin=ORIGIN, ca=[pem], environment="test")
        settings = load_settings(home / "hub.toml")
        if urls is not None:
            settings = settings.model_copy(update={"database_url": urls[0], "database_owner_url": urls[1]})
        upgrade_database(settings)
        self.database = open_database(settings.database_url, MUNICIPALITY)
        if urls is None:
            event.listen(self.database.engine, "connect", lambda c, _: c.execute(f"PRAGMA synchronous={synchronous}"))
        self.hub = self._hub(settings, self.database)
        self._terminal, self._token = self._enrol_terminal()
        self._enrol_people()
        self.app = create_app(self.hub)

    def _hub(self, settings: Any, database: Database) -> Hub:
        def clock() -> Any:
            return self._material.now

        people = People(MUNICIPALITY, load_keys(settings.keys_file))
        runtime = _runtime()
        taps = TapService(
            database=database, municipality=MUNICIPALITY, clock=clock, people=people,
            verifiers=dict.fromkeys(RiskClass, self._verifier()),
            plugins=runtime, residence=Residence([]), origin=ORIGIN,
        )  # fmt: skip
        return Hub(
            settings,
            clock,
            database,
            runtime,
            TerminalRegistry(database, MUNICIPALITY, clock),
            taps,
            people,
            open_logins(settings),
        )

    def _verifier(self) -> TokenVerifier:
        trust, revocation = self._material.store, self._material.revocation
        return TokenVerifier(trust=trust, revocation=revocation, origin=ORIGIN, policy=LoginPolicy())

    def forget_certificates(self) -> None:
        """Every card is seen for the first time again."""
        self.hub.taps._verifiers = dict.fromkeys(RiskClass, self._verifier())  # noqa: SLF001 - no such act exists

    def _enrol_terminal(self) -> tuple[UUID, str]:
        registry = self.hub.terminals
        registry.define_service_point("bench", {"ja": "計測"}, ["bench"])
        key = OKPKey.generate_key("Ed25519").as_dict(private=False)
        public = {name: str(key[name]) for name in ("kty", "crv", "x")}
        terminal = registry.enrol(registry.new_code("bench"), public, "bench", "0")
        registry.save_token("bench-token", terminal.id)
        return terminal.id, "bench-token"

    def _enrol_people(self) -> None:
        people = People(MUNICIPALITY, load_keys(self.hub.settings.keys_file))
        with self.database.writing() as session:
            for case in self._material.cases:
                certificate = validate(
                    case.der, store=self._material.store, kind=KIND, policy_oids=LoginPolicy().policy_oids,
                    now=self._material.now,
                )  # fmt: skip
                known = people.enrol(session, certificate, self._material.now)
                people.subject_for(session, known, "bench", self._material.now)

    def prepare(self) -> list[tuple[str, bytes]]:
        """A fresh tap for each case, with the case's own nonce: (path, body)."""
        requests = []
        now = self._material.now
        with self.database.writing() as session:
            for case in self._material.cases:
                row = tap_store.TapRow(
                    uuid7(), self._terminal, "bench", "open", {}, case.nonce, "open", now + timedelta(minutes=5), None
                )
                tap_store.insert_tap(session, MUNICIPALITY, now, row)
                body = b'{"token":' + case.text.encode() + b"}"
                requests.append((f"/api/v1/taps/{row.id}/proof", body))
        return requests

    def run(self, requests: list[tuple[str, bytes]]) -> float:
        """CPU microseconds a proof."""
        environments = [_environ(path, body, self._token) for path, body in requests]
        begin = time.process_time()
        for environ in environments:
            status, answer = _call(self.app, environ)
            if not status.startswith("200"):
                raise SystemExit(f"a tap failed: {status} {answer.decode()[:300]}")
        return (time.process_time() - begin) / len(environments) * 1e6


def _environ(path: str, body: bytes, token: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "hub", "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "hub", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr, "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json",
        "HTTP_AUTHORIZATION": f"Bearer {token}", "HTTP_ACCEPT_LANGUAGE": "ja", "wsgi.version": (1, 0),
        "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip


def _call(app: Callable[..., Any], environ: dict[str, Any]) -> tuple[str, bytes]:
    seen: list[str] = []
    answer = b"".join(app(environ, lambda status, headers: seen.append(status)))  # noqa: ARG005
    return seen[0], answer


class Floor:
    """FLOOR-T: bare WSGI, JSON, FLOOR-C, and two statements of the raw driver."""

    def __init__(self, folder: Path, material: Material, synchronous: str) -> None:
        self._cases = material.cases
        self._ca_key = material.ca.public_key()
        self._db = sqlite3.connect(folder / "floor.sqlite3", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={synchronous}")
        self._db.execute("CREATE TABLE link (serial BLOB PRIMARY KEY, subject TEXT) WITHOUT ROWID")
        self._db.execute("CREATE TABLE tap (id INTEGER PRIMARY KEY, subject TEXT, at INTEGER)")
        rows = [(_serial(case), str(number)) for number, case in enumerate(self._cases)]
        self._db.executemany("INSERT INTO link VALUES (?, ?)", rows)

    def _app(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        case = self._cases[body["case"]]
        floor_validate(case, self._ca_key)  # type: ignore[arg-type]
        (subject,) = self._db.execute("SELECT subject FROM link WHERE serial = ?", (body_serial(case),)).fetchone()
        self._db.execute("INSERT INTO tap (subject, at) VALUES (?, ?)", (subject, 1))
        answer = json.dumps({"state": "done", "subject": subject}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]

    def run(self) -> float:
        """CPU microseconds a tap."""
        texts = [b'{"case":%d,"token":%s}' % (number, case.text.encode()) for number, case in enumerate(self._cases)]
        environments = [_environ("/", text, "t") for text in texts]
        begin = time.process_time()
        for environ in environments:
            status, _ = _call(self._app, environ)
            if status != "200 OK":
                raise SystemExit("the floor failed")
        return (time.process_time() - begin) / len(environments) * 1e6


def _serial(case: Case) -> bytes:
    return x509.load_der_x509_certificate(case.der).serial_number.to_bytes(8, "big")


body_serial = _serial


def measure(synchronous: str, rounds: int, material: Material) -> list[tuple[float, float, float]]:
    """CPU microseconds of FLOOR-T, of ours with cards never seen, and with cards seen before; one of each a round."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        floor, ours = Floor(folder, material, synchronous), Ours(folder, material, synchronous)
        results = []
        for _ in range(rounds):
            ours.forget_certificates()
            first, again = ours.prepare(), ours.prepare()
            results.append((floor.run(), ours.run(first), ours.run(again)))
    return results


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="distinct certificates")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    material = make_material(arguments.count)
    verifier_cost, floor_c = _validate_costs(material, arguments.rounds)
    print(f"{arguments.count} distinct certificates, {arguments.rounds} interleaved rounds, CPU µs, medians")
    print(f"{'':44}{'floor':>9}{'ours':>9}{'ratio':>8}  target")
    print(f"{'P1 validate / FLOOR-C':44}{floor_c:9.1f}{verifier_cost:9.1f}{verifier_cost / floor_c:8.2f}  <= 1.5")
    for mode in ("NORMAL", "FULL"):
        results = measure(mode, arguments.rounds, material)
        floor = statistics.median(result[0] for result in results)
        for column, title in ((1, "first sight"), (2, "seen before")):
            ours = statistics.median(result[column] for result in results)
            ratio = statistics.median(result[column] / result[0] for result in results)
            name = f"P3 tap / FLOOR-T, SQLite {mode}, {title}"
            print(f"{name:44}{floor:9.1f}{ours:9.1f}{ratio:8.2f}  <= {TARGET_P3}")


def _validate_costs(material: Material, rounds: int) -> tuple[float, float]:
    ca_key = material.ca.public_key()
    ours, floor = [], []
    for _ in range(rounds):
        verifier = material.verifier()  # fresh: nothing cached
        floor.append(cost(lambda case: floor_validate(case, ca_key), material.cases))  # type: ignore[arg-type]
        ours.append(
            cost(lambda case: verifier.verify_parsed(case.token, case.nonce, material.now), material.cases)  # noqa: B023
        )
    return statistics.median(ours), statistics.median(floor)


if __name__ == "__main__":
    main()
