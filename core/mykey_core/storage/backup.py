"""Back-ups while the hub runs, and restoring them: SQLite's online back-up, PostgreSQL's pg_dump and pg_restore.

A back-up is one file, made beside its name and put in place when it is whole. The keys file is not in it: without the
keys no card is recognised, with them every link can be made again, so the two are kept apart.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from mykey_core.errors import MykeyError

_SQLITE_MAGIC = b"SQLite format 3\x00"
_PAGES_A_STEP = 1_000  # a step holds a read lock for some milliseconds; writers go on between and during steps


class BackupFailed(MykeyError):
    """The back-up could not be made or restored; the message says why and what to do."""


def make_backup(url: str, target: Path) -> int:
    """Write a consistent copy of the database at `url` to `target`, which must not exist; its size in bytes.

    On PostgreSQL the role of `url` owns the tables: row-level security would hide rows from any other.
    """
    if target.exists():
        raise BackupFailed(f"{target} exists: name a new file")
    with _beside(target) as part:
        if url.startswith("sqlite"):
            _copy_sqlite(_sqlite_file(url), part)
        else:
            _run("pg_dump", "--format=custom", "--no-owner", f"--file={part}", url=make_url(url))
    return target.stat().st_size


def restore_backup(url: str, source: Path, *, replace: bool = False) -> None:
    """Bring the database at `url` to the state of `source`; it must be empty unless `replace`. The hub must not run.

    Rights are given by the upgrade that follows: on another server the roles of the hub and of plugins come with it.
    """
    if url.startswith("sqlite"):
        _restore_sqlite(source, _sqlite_file(url), replace=replace)
        return
    options = ["--clean", "--if-exists"] if replace else []
    arguments = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", *options]
    _run("pg_restore", *arguments, f"--dbname={_name(make_url(url))}", str(source), url=make_url(url))


# -- SQLite --------------------------------------------------------------------------------------------------


def _sqlite_file(url: str) -> Path:
    database = make_url(url).database
    if not database or database == ":memory:":
        raise BackupFailed("a database in memory cannot be backed up")
    return Path(database)


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.is_file():
        raise BackupFailed(f"there is no database at {source}")
    try:
        with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
            original.backup(copy, pages=_PAGES_A_STEP)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        _check_sqlite(target)
        with target.open("rb") as file:
            os.fsync(file.fileno())
    except sqlite3.Error as error:
        raise BackupFailed(f"SQLite: {error}") from error


def _check_sqlite(path: Path) -> None:
    """That `path` is a whole SQLite database."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE_MAGIC)) != _SQLITE_MAGIC:
            raise BackupFailed(f"{path.name} is no SQLite database: a back-up is restored to the kind it came from")
    try:
        with closing(sqlite3.connect(path)) as database:
            found = database.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise BackupFailed(f"{path.name} is damaged: {found}")


def _restore_sqlite(source: Path, target: Path, *, replace: bool) -> None:
    _check_sqlite(source)
    if target.exists() and not replace:
        raise BackupFailed(f"{target} exists: add --replace to overwrite it")
    with _beside(target, replace=True) as part:
        shutil.copyfile(source, part)
        for suffix in ("-wal", "-shm"):  # the log of the old database does not belong to the new one
            Path(f"{target}{suffix}").unlink(missing_ok=True)


@contextmanager
def _beside(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A file beside `target` that takes its place when the block is through, and is deleted when it fails."""
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        yield part
        if not replace and target.exists():
            raise BackupFailed(f"{target} exists: name a new file")
        part.replace(target)
        _sync_folder(target.parent)
    finally:
        part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# -- PostgreSQL ----------------------------------------------------------------------------------------------


def _name(url: URL) -> str:
    return url.database or "postgres"


def _program(name: str) -> str:
    """One of PostgreSQL's programs: in the folder MYKEY_PG_BIN, on PATH, or where Debian puts the newest."""
    folder = os.environ.get("MYKEY_PG_BIN")
    candidates = [Path(folder) / name] if folder else []
    found = shutil.which(name)
    candidates += [Path(found)] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    for candidate in candidates:
        if candidate.is_file():
            return str(candidate)
    raise BackupFailed(f"{name} is not installed (Debian: postgresql-client), or name its folder in MYKEY_PG_BIN")


def _run(program: str, *arguments: str, url: URL) -> None:
    """Run a program of PostgreSQL against `url`; the password goes by the environment, never by an argument."""
    host = url.host or url.query.get("host", "")
    settings = {
        "PGHOST": str(host),
        "PGPORT": str(url.port or ""),
        "PGUSER": url.username or "",
        "PGDATABASE": _name(url),
    }
    secrets = {"PGPASSWORD": str(url.password)} if url.password else {}
    environment = os.environ | {name: value for name, value in settings.items() if value} | secrets
    done = subprocess.run(  # noqa: S603 - a program found by name, arguments of ours
        [_program(program), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BackupFailed(f"{program}: {done.stderr.strip()[-400:]}")
