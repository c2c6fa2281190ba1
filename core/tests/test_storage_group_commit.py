"""Group commit on SQLite: one commit for many units, each with its own answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from mykey_core.errors import StorageUnavailable
from mykey_core.storage.database import Database, SqliteDatabase, open_database
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.session import Session

_numbers = Table("numbers", MetaData(), Column("number", Integer, primary_key=True))
_insert = Prepared(insert(_numbers))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path}/test.sqlite3")
    _numbers.metadata.create_all(opened.engine)
    yield opened
    opened.dispose()


def _stored(database: Database) -> list[int]:
    with database.reading() as session:
        return [row.number for row in session.execute(select(_numbers).order_by(_numbers.c.number))]


def _put(number: int) -> Any:
    return lambda session: session.run(_insert, {"number": number})


def _count_commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    commits: list[int] = []
    commit = Session.commit

    def counted(session: Session) -> None:
        commits.append(1)
        commit(session)

    monkeypatch.setattr(Session, "commit", counted)
    return commits


def _hold(database: Database, entered: threading.Event, release: threading.Event) -> threading.Thread:
    """A thread whose unit holds the lead until `release`."""

    def slow(_: Session) -> None:
        entered.set()
        release.wait(10)

    thread = threading.Thread(target=lambda: database.commit(slow))
    thread.start()
    entered.wait(10)
    return thread


def test_units_that_wait_share_one_commit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen units that arrive while another is written are committed together, and all are there."""
    commits = _count_commits(monkeypatch)
    entered, release = threading.Event(), threading.Event()
    holder = _hold(database, entered, release)
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(database.commit, _put(number)) for number in range(16)]
        while len(database._group._queue) < 16:  # type: ignore[attr-defined]
            time.sleep(0.001)
        release.set()
        assert [answer.result() for answer in answers] == [1] * 16
    holder.join()
    assert _stored(database) == list(range(16))
    assert len(commits) == 2


def test_a_failing_unit_takes_no_other_with_it(database: Database) -> None:
    """Of units in one group those that fail are undone, with their own exception; the others are written."""
    database.commit(_put(5))
    entered, release = threading.Event(), threading.Event()
    holder = _hold(database, entered, release)

    def wrong(session: Session) -> None:
        session.run(_insert, {"number": 100})
        raise LookupError("mine alone")

    with ThreadPoolExecutor(8) as pool:
        good = [pool.submit(database.commit, _put(number)) for number in range(4)]
        bad = [pool.submit(database.commit, wrong) for _ in range(3)]
        while len(database._group._queue) < 7:  # type: ignore[attr-defined]
            time.sleep(0.001)
        release.set()
        assert [answer.result() for answer in good] == [1] * 4
        assert all(isinstance(answer.exception(), LookupError) for answer in bad)
    holder.join()
    assert _stored(database) == [0, 1, 2, 3, 5]


def test_a_unit_alone_that_fails_is_undone(database: Database) -> None:
    """The same without company."""

    def wrong(session: Session) -> None:
        session.run(_insert, {"number": 1})
        raise LookupError

    with pytest.raises(LookupError):
        database.commit(wrong)
    assert _stored(database) == []
    assert database.commit(_put(2)) == 1


def test_a_block_takes_its_turn_among_units(database: Database) -> None:
    """`writing` and `commit` from many threads never meet 'locked', and nothing is lost."""

    def block(number: int) -> None:
        with database.writing() as session:
            session.run(_insert, {"number": number})

    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(block, number) for number in range(0, 100, 2)]
        tasks += [pool.submit(database.commit, _put(number)) for number in range(1, 100, 2)]
        for task in tasks:
            task.result()
    assert _stored(database) == list(range(100))


def test_a_slow_unit_keeps_others_waiting_no_longer_than_their_patience(tmp_path: Path) -> None:
    """Who waits too long is told to come again, and its unit is never done."""
    database = open_database(f"sqlite:///{tmp_path}/test.sqlite3")
    assert isinstance(database, SqliteDatabase)
    _numbers.metadata.create_all(database.engine)
    database._group._patience = 0.05
    entered, release = threading.Event(), threading.Event()
    holder = _hold(database, entered, release)
    with pytest.raises(StorageUnavailable):
        database.commit(_put(1))
    with pytest.raises(StorageUnavailable), database.writing():
        pass
    release.set()
    holder.join()
    assert database.commit(_put(2)) == 1
    assert _stored(database) == [2]
    database.dispose()


def test_a_slow_unit_ends_its_group(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a unit beyond the hold the group is committed, and those after it make a group of their own."""
    commits = _count_commits(monkeypatch)
    entered, release = threading.Event(), threading.Event()
    holder = _hold(database, entered, release)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(database.commit, lambda _: time.sleep(0.05))
        while len(database._group._queue) < 1:  # type: ignore[attr-defined]
            time.sleep(0.001)
        quick = pool.submit(database.commit, _put(1))
        while len(database._group._queue) < 2:  # type: ignore[attr-defined]
            time.sleep(0.001)
        release.set()
        slow.result()
        quick.result()
    holder.join()
    assert len(commits) == 3
    assert _stored(database) == [1]


def test_a_reader_sees_one_state(database: Database) -> None:
    """What is committed while a session reads is not seen before the next."""
    with database.reading() as session:
        assert list(session.execute(select(_numbers))) == []
        database.commit(_put(1))
        assert list(session.execute(select(_numbers))) == []
    assert _stored(database) == [1]
