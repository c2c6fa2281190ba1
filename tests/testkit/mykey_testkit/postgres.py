"""A private PostgreSQL server from the system's own programs, and a fresh database of it for each test.

The server listens on a socket in its own folder only, belongs to one test process, and is ended by it. Databases are
copies of a template that has been upgraded once. `MYKEY_PG_BIN` names the folder of the programs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

HUB_ROLE = "mykey_hub"
OWNER = "mykey_owner"
_TEMPLATE = "mykey_template"
_FAST = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
_START_SECONDS = 20
_PLENTY = 8 << 30


def programs() -> Path | None:
    """The folder with initdb and postgres, the newest version first; None when there is none."""
    named = os.environ.get("MYKEY_PG_BIN")
    if named:
        return Path(named)
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@dataclass
class PostgresServer:
    """One server in `folder`; `start`, `kill` and `stop` may follow each other. `options` are postgres's own."""

    folder: Path
    options: Sequence[str] = _FAST
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line of one of PostgreSQL's programs; as root it runs as the user `postgres`."""
        folder = programs()
        if folder is None:
            raise FileNotFoundError("PostgreSQL's programs are not installed")
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        return [*prefix, str(folder / program), *arguments]

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        done = subprocess.run(self.command(program, *arguments), capture_output=True, check=False, cwd=self.folder)
        assert done.returncode == 0, f"{program}: {done.stderr.decode(errors='replace')[-800:]}"

    def make(self) -> PostgresServer:
        """Make the data directory and the two roles."""
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        arguments = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        self.run("initdb", "-D", str(self.data), *arguments)
        self.start()
        self.execute(f"CREATE ROLE {OWNER} LOGIN CREATEDB CREATEROLE BYPASSRLS", f"CREATE ROLE {HUB_ROLE} LOGIN")
        return self

    def start(self) -> None:
        """Start the server and wait until it answers."""
        arguments = ["-D", str(self.data), "-k", str(self.folder), "-c", "listen_addresses="]
        log = (self.folder / "log").open("ab")
        with log:
            command = self.command("postgres", *arguments, *self.options)
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            try:
                psycopg.connect(self.dsn("postgres")).close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()[-800:]
                time.sleep(0.02)
            else:
                return
        raise TimeoutError("PostgreSQL did not start")

    def stop(self) -> None:
        """End the server the fast way: connections are cut, nothing is lost."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End the server and its children as a power cut would (SIGQUIT: no shutdown checkpoint)."""
        self._signal(signal.SIGQUIT)

    def make_standby(self, folder: Path) -> PostgresServer:
        """A running streaming replica of this server, which answers each commit (synchronous replication)."""
        standby = PostgresServer(folder, self.options)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self.run("pg_basebackup", "-h", str(self.folder), "-U", "postgres", "-D", str(standby.data), "-R", "-c", "fast")
        standby.start()
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        until = time.monotonic() + _START_SECONDS
        while self._value("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != 1:
            assert time.monotonic() < until, "the standby does not follow"
            time.sleep(0.02)
        return standby

    def promote(self) -> None:
        """Make a standby the primary."""
        self.execute("SELECT pg_promote(wait => true)")

    def _value(self, statement: str) -> object:
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            row = connection.execute(statement).fetchone()
        return None if row is None else row[0]

    def _signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=20)

    def dsn(self, database: str, user: str = "postgres") -> str:
        """What psycopg and PostgreSQL's programs take."""
        return f"host={self.folder} dbname={database} user={user} connect_timeout=5"

    def url(self, database: str, user: str = HUB_ROLE) -> str:
        """What `database_url` takes."""
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"

    def execute(self, *statements: str, database: str = "postgres", user: str = "postgres") -> None:
        """Execute statements, each in its own transaction."""
        with psycopg.connect(self.dsn(database, user), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


def _quick_folder() -> Path | None:
    """Memory instead of a disk where there is plenty of it: databases are copied and deleted in half the time."""
    memory = Path("/dev/shm")  # noqa: S108 - the server's own folder in it is made by mkdtemp
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > _PLENTY else None


@contextmanager
def server(options: Sequence[str] = _FAST) -> Iterator[PostgresServer]:
    """A running server in a folder of its own, ended and deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mykey-pg-", dir=_quick_folder()))
    made = PostgresServer(folder, options)
    try:
        yield made.make()
    finally:
        made.kill()
        shutil.rmtree(folder, ignore_errors=True)


def require_postgres() -> None:
    """Skip the test where PostgreSQL is not installed; in CI this is a failure."""
    if programs() is None:
        reason = "PostgreSQL's programs are not installed (Debian: postgresql-15)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests of this process, without fsync."""
    require_postgres()
    with server() as made:
        made.execute(f"CREATE DATABASE {_TEMPLATE} OWNER {OWNER}")
        yield made


@dataclass(frozen=True)
class DatabaseUrls:
    """The URL of the hub's role, and that of the owner of the tables (the same on SQLite)."""

    hub: str
    owner: str


_numbers = iter(range(1_000_000))


def fresh_database(server: PostgresServer, like: DatabaseUrls | None = None) -> DatabaseUrls:
    """A new database: a copy of the core's template, or of one to which nobody is connected."""
    template = _template(server) if like is None else make_url(like.hub).database
    name = f"test_{next(_numbers)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER}")
    return DatabaseUrls(server.url(name), server.url(name, OWNER))


@contextmanager
def passing_database(server: PostgresServer, like: DatabaseUrls | None = None) -> Iterator[DatabaseUrls]:
    """A fresh database for as long as a test takes; hundreds of them would fill the machine."""
    urls = fresh_database(server, like)
    yield urls
    with suppress(psycopg.OperationalError):  # the server has ended already
        server.execute(f"DROP DATABASE {make_url(urls.hub).database} WITH (FORCE)")


def _template(server: PostgresServer) -> str:
    """The database with the core's tables, which are made by whoever comes first."""
    from mykey_core.storage.upgrade import upgrade_tables

    if not getattr(server, "template_is_made", False):
        upgrade_tables(server.url(_TEMPLATE, OWNER), hub_role=HUB_ROLE)
        server.template_is_made = True  # type: ignore[attr-defined]
    return _TEMPLATE
