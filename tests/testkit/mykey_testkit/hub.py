"""A whole hub in the test's process: its own folder, a clock that the test moves, virtual cards, and a terminal.

Everything is the real thing but the network: requests go through the WSGI application, cards answer APDUs.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from joserfc import jwt
from joserfc.jwk import OKPKey
from werkzeug.test import TestResponse

from mykey_cardap.emulator import InProcessTransport
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.transport import Transport
from mykey_core.audit.records import AuditRecord, records_since
from mykey_core.clock import tokyo_date
from mykey_core.hub import Hub, open_hub, upgrade_database
from mykey_core.settings import load_settings
from mykey_testkit.clock import ManualClock
from mykey_testkit.postgres import DatabaseUrls, PostgresServer, fresh_database, passing_database
from mykey_testkit.tables import give_tables
from mykey_web.app import create_app
from mykey_web.setup import write_new_hub

Json = dict[str, Any]
MUNICIPALITY = "132217"
OTHER_TOWN = "102016"
ORIGIN = "https://hub.example.jp"
GENERATIONS = (1, 2, 3, 4)
_KIND = CertificateKind.AUTHENTICATION
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_DAY = timedelta(days=1)


class _CompiledTemplates(BytecodeCache):
    """Templates as code: those of the hubs of one process are the same. Jinja compares the hash of the source."""

    def __init__(self) -> None:
        self._made: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Jinja's own: fill the bucket if the same source was compiled before."""
        if bucket.key in self._made:
            bucket.bytecode_from_string(self._made[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Jinja's own: keep what was compiled."""
        self._made[bucket.key] = bucket.bytecode_to_string()


_TEMPLATES = _CompiledTemplates()


def _application(hub: Hub) -> Flask:
    app = create_app(hub)
    app.jinja_env.bytecode_cache = _TEMPLATES
    return app


def sign_challenge(
    persona: str,
    challenge: Json,
    *,
    pin: str = "1234",
    origin: str | None = None,
    transport: Transport | None = None,
) -> dict[str, str]:
    """The Web eID token that the virtual card of `persona` (or the one behind `transport`) makes for a challenge."""
    card = transport or InProcessTransport(make_card(persona, today=tokyo_date(ManualClock().now)))
    session = JpkiSession(card)
    session.verify_pin("authentication", pin.encode(), allow_last_attempt=True)
    certificate = session.read_certificate(_KIND)
    algorithm = session.signing_algorithm(_KIND)
    digest = hashlib.new("sha" + algorithm[-3:])
    parts = []
    for text in (origin or challenge["origin"], challenge["nonce"]):
        part = digest.copy()
        part.update(text.encode())
        parts.append(part.digest())
    signature = session.sign_message(_KIND, b"".join(parts), algorithm)
    return {
        "format": "web-eid:1.0",
        "unverifiedCertificate": base64.b64encode(certificate).decode("ascii"),
        "algorithm": algorithm,
        "signature": base64.b64encode(signature).decode("ascii"),
    }


class TerminalClient:
    """An enrolled terminal that speaks to the hub's WSGI application."""

    def __init__(self, app: Flask, code: str, clock: ManualClock) -> None:
        self._http = app.test_client()
        self._clock = clock
        self.key = OKPKey.generate_key("Ed25519")
        public = {
            name: str(value) for name, value in self.key.as_dict(private=False).items() if name in {"kty", "crv", "x"}
        }
        body = {"code": code, "public_key": public, "name": "test terminal", "version": "1"}
        self.enrolment: Json = self._http.post("/api/v1/terminals/enrolments", json=body).get_json()
        self.headers: dict[str, str] = {"Accept-Language": "en"}

    def speak_to(self, app: Flask) -> None:
        """The hub has been opened anew."""
        self._http = app.test_client()

    def another(self) -> TerminalClient:
        """The same terminal for another thread: an HTTP client of its own with the same token."""
        client = copy.copy(self)
        client._http = self._http.application.test_client()
        return client

    def assertion(self, **changes: Any) -> str:
        """A client assertion, with any claim changed (None leaves it out)."""
        import time

        now = int(time.time())
        identity = self.enrolment["terminal_id"]
        claims = {"iss": identity, "sub": identity, "aud": self.enrolment["audience"], "jti": str(uuid.uuid4())}
        claims |= {"iat": now, "exp": now + 60} | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "Ed25519"}, claims, self.key, algorithms=["Ed25519"])

    def ask_token(self, assertion: str) -> TestResponse:
        """The answer of the token endpoint to an assertion."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        return self._http.post("/api/v1/oauth/token", data=form)

    def sign_in(self) -> TerminalClient:
        """Get an access token and use it from now on."""
        self.headers["Authorization"] = f"Bearer {self.ask_token(self.assertion()).get_json()['access_token']}"
        return self

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        """POST JSON (or, given bytes, exactly these) under /api/v1."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._http.post(
            f"/api/v1{path}", data=data, content_type="application/json", headers={**self.headers, **headers}
        )

    def get(self, path: str, **headers: str) -> TestResponse:
        """GET under /api/v1."""
        return self._http.get(f"/api/v1{path}", headers={**self.headers, **headers})

    def delete(self, path: str) -> TestResponse:
        """DELETE under /api/v1."""
        return self._http.delete(f"/api/v1{path}", headers=self.headers)

    def begin(self, service: str, action: str = "open", **values: str) -> Json:
        """Ask for a tap; the challenge. A token that has expired is renewed, as every terminal does."""
        body = {"service": service, "action": action, "input": values}
        answer: Json = self.post("/taps", body).get_json()
        if answer.get("code") == "terminal_unauthorized" and "Authorization" in self.headers:
            answer = self.sign_in().post("/taps", body).get_json()
        return answer

    def prove(self, challenge: Json, token: Any) -> TestResponse:
        """Hand in a token for a challenge."""
        return self.post(f"/taps/{challenge['tap_id']}/proof", {"token": token})

    def tap(self, persona: str, service: str, action: str = "open", **values: str) -> Json:
        """A whole tap with a virtual card; the hub's answer, a problem document included."""
        challenge = self.begin(service, action, **values)
        if "nonce" not in challenge:
            return challenge  # a problem document: nothing to sign
        answer: Json = self.prove(challenge, sign_challenge(persona, challenge)).get_json()
        return answer

    def act(self, service: str, action: str, visit: str | None = None, **values: str) -> Json:
        """An action without a tap."""
        body = {"service": service, "action": action, "input": values, "visit_id": visit}
        answer: Json = self.post("/actions", body).get_json()
        return answer


def name_the_database(config: Path, urls: DatabaseUrls) -> None:
    """Put the URLs of a database before everything else in the settings file of a hub."""
    lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
    rest = "".join(line for line in lines if not line.startswith(("database_url ", "database_owner_url ")))
    named = f'database_url = "{urls.hub}"\ndatabase_owner_url = "{urls.owner}"\n'
    config.write_text(named + rest, encoding="utf-8")


@dataclass
class HubHarness:
    """A hub in a folder. `restart` opens it again from disk, as a new process would.

    `mould` is a closed hub with the same settings: its folder is copied instead of made (its keys too). On PostgreSQL
    `database` has to be a copy of the mould's then.
    """

    folder: Path
    plugins: str
    services: Sequence[str]
    clock: ManualClock = field(default_factory=ManualClock)
    environment: str = "test"
    database: DatabaseUrls | None = None  # SQLite in the folder where there is none
    municipality: str = MUNICIPALITY
    origin: str = ORIGIN
    mould: HubHarness | None = None
    _terminals: list[TerminalClient] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self.jpki = EmulatedJpki(tokyo_date(self.clock.now))
        if self.mould is None:
            self._write()
        else:
            shutil.copytree(self.mould.folder / "hub", self.folder / "hub")
        if self.database is not None:
            name_the_database(self.config, self.database)
        self.settings = load_settings(self.config)
        if self.mould is None:
            give_tables(self.settings.database_url)
            upgrade_database(self.settings)
        self.hub: Hub = open_hub(self.settings, self.clock)
        self.app = _application(self.hub)
        if self.mould is None:
            titles = {"ja": "カウンター", "en": "Desk"}
            self.hub.terminals.define_service_point("desk", titles, list(self.services))

    def _write(self) -> None:
        write_new_hub(
            self.folder / "hub",
            municipality=self.municipality,
            titles={"ja": "みほん市", "en": "Mihon City"},
            origin=self.origin,
            ca=self._authorities(),
            environment=self.environment,
            distribution_points=[self.jpki.distribution_point(self.municipality).rfc4514_string()],
            plugins=self.plugins,
        )
        self.publish_crls()

    @property
    def config(self) -> Path:
        """The hub's settings file."""
        return self.folder / "hub" / "hub.toml"

    def _authorities(self) -> list[Path]:
        paths = []
        for generation in GENERATIONS:
            path = self.folder / f"authentication-{generation}.pem"
            path.write_bytes(self.jpki.ca_certificate(_KIND, generation).public_bytes(Encoding.PEM))
            paths.append(path)
        return paths

    def publish_crls(self, *, lifetime: timedelta = _DAY) -> None:
        """Put fresh signed CRLs of both towns and all CA generations into the hub's folder."""
        this_update = self.clock.now.replace(microsecond=0) - timedelta(minutes=1)
        for town in (MUNICIPALITY, OTHER_TOWN):
            for generation in GENERATIONS:
                crl = self.jpki.crl(
                    _KIND,
                    generation,
                    self.jpki.distribution_point(town),
                    revoked=self.jpki.revoked_serials(_KIND, generation, town),
                    this_update=this_update,
                    next_update=this_update + lifetime,
                    number=int(this_update.timestamp()),
                )
                (self.folder / "hub" / "crl" / f"{town}-{generation}.crl").write_bytes(crl)

    def next_day(self) -> None:
        """Let a day pass: the authorities publish their lists of revoked certificates, and the hub is restarted."""
        self.clock.move(_DAY)
        self.publish_crls()
        self.restart()

    def restart(self) -> None:
        """Close the hub and open it again from its folder."""
        self.hub.close()
        self.hub = open_hub(self.settings, self.clock)
        self.app = _application(self.hub)
        for terminal in self._terminals:
            terminal.speak_to(self.app)

    def import_library(self) -> None:
        """Put the library plugin's sample patrons and items into its tables, by its own command."""
        from click.testing import CliRunner

        from mykey_library.cli import library

        demo = Path(str(files("mykey_library") / "demo"))
        arguments = ["import", "--config", str(self.config)]
        arguments += ["--patrons", str(demo / "patrons.csv"), "--items", str(demo / "items.csv")]
        result = CliRunner().invoke(library, arguments)
        assert result.exit_code == 0, result.output

    def terminal(self, point: str = "desk") -> TerminalClient:
        """A newly enrolled terminal of a service point, signed in; it goes on after a restart of the hub."""
        client = TerminalClient(self.app, self.hub.terminals.new_code(point), self.clock).sign_in()
        self._terminals.append(client)
        return client

    def audit(self, event: str | None = None) -> list[AuditRecord]:
        """All audit records, or those of one event, oldest first."""
        with self.hub.database.reading() as session:
            records = records_since(session, self.municipality, self.clock.now - timedelta(days=3650))
        return [record for record in records if event in {None, record.event}]

    def close(self) -> None:
        """Close the database."""
        self.hub.close()


LIBRARY = """
[plugins.library]
enabled = true
grants = ["audit", "database", "events", "jobs", "offline", "pages", "people", "tap"]
[plugins.library.services.library-desk]
residents_only = true
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def hub_engine(request: pytest.FixtureRequest) -> PostgresServer | None:
    """Which database a test runs on: SQLite (None), and the PostgreSQL server of this process."""
    if request.param == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server


@pytest.fixture
def hub_database(hub_engine: PostgresServer | None) -> Iterator[DatabaseUrls | None]:
    """Where a hub keeps its data: each test that asks runs on SQLite (None) and on a fresh PostgreSQL database."""
    with nullcontext() if hub_engine is None else passing_database(hub_engine) as urls:
        yield urls


LibraryMould = Callable[[PostgresServer | None], HubHarness]


@pytest.fixture(scope="session")
def library_mould(tmp_path_factory: pytest.TempPathFactory) -> LibraryMould:
    """A closed hub with the library and its sample data, made once for SQLite and once for the PostgreSQL server."""
    made: dict[bool, HubHarness] = {}

    def mould(server: PostgresServer | None) -> HubHarness:
        if (server is not None) not in made:
            urls = None if server is None else fresh_database(server)
            harness = HubHarness(tmp_path_factory.mktemp("library"), LIBRARY, ["library-desk"], database=urls)
            harness.import_library()
            harness.close()
            made[server is not None] = harness
        return made[server is not None]

    return mould


@pytest.fixture
def library_hub(tmp_path: Path, hub_engine: PostgresServer | None, library_mould: LibraryMould) -> Iterator[HubHarness]:
    """A hub with the library plugin, its sample patrons and items, and one service point 'desk'; on both databases."""
    mould = library_mould(hub_engine)
    with nullcontext() if hub_engine is None else passing_database(hub_engine, mould.database) as urls:
        harness = HubHarness(tmp_path, LIBRARY, ["library-desk"], database=urls, mould=mould)
        yield harness
        harness.close()
