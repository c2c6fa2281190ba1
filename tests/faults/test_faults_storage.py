"""Locked, full, gone, or set back in time: a clear answer, and nothing half done."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from werkzeug.test import TestResponse

from mykey_core.storage.remote_session import RemoteSession
from mykey_testkit.hub import HubHarness, TerminalClient, sign_challenge

SERVICE = "library-desk"
Challenge = dict[str, Any]


on_sqlite = pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize(
    "hub_engine", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


def _ready(hub: HubHarness) -> tuple[TerminalClient, Challenge, dict[str, str]]:
    """A terminal, an open tap that links, and the card's answer to it."""
    terminal = hub.terminal()
    challenge = terminal.begin(SERVICE, "link", patron_number="10000017")
    return terminal, challenge, sign_challenge("adult", challenge)


def _assert_unavailable(answer: TestResponse) -> None:
    assert (answer.status_code, answer.get_json()["code"]) == (503, "storage_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


def _assert_untouched(hub: HubHarness, terminal: TerminalClient, challenge: Challenge) -> None:
    """The tap is open as before, and the same proof still works."""
    assert terminal.get(f"/taps/{challenge['tap_id']}").get_json()["state"] == "open"
    assert hub.audit("tap.done") == []


def _state(terminal: TerminalClient, challenge: Challenge) -> str:
    return str(terminal.get(f"/taps/{challenge['tap_id']}").get_json()["state"])


@on_sqlite
def test_a_locked_database_is_503_and_the_tap_can_be_proven_later(library_hub: HubHarness) -> None:
    """While another program holds the write lock; after it has let go, the same proof is taken."""
    terminal, challenge, token = _ready(library_hub)
    _writer(library_hub).execute("PRAGMA busy_timeout=20")
    with closing(sqlite3.connect(library_hub.folder / "hub" / "hub.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        _assert_unavailable(terminal.prove(challenge, token))
        _assert_untouched(library_hub, terminal, challenge)
        other.execute("ROLLBACK")
    assert terminal.prove(challenge, token).status_code == 200


@on_sqlite
def test_a_full_disk_is_503_and_nothing_is_half_done(library_hub: HubHarness) -> None:
    """The database may not grow: taps are asked for until one does not fit; then it can grow again."""
    terminal, challenge, token = _ready(library_hub)
    writer = _writer(library_hub)
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count={pages}")
    begun = 0
    while (answer := terminal.post("/taps", {"service": SERVICE, "action": "open", "input": {}})).status_code == 201:
        begun += 1
        assert begun < 10_000
    _assert_unavailable(answer)
    _assert_unavailable(terminal.prove(challenge, token))
    _assert_untouched(library_hub, terminal, challenge)
    _writer(library_hub).execute(f"PRAGMA max_page_count={pages + 10_000}")
    assert terminal.prove(challenge, token).status_code == 200


def _writer(hub: HubHarness) -> Any:
    """The driver's connection that the hub writes by."""
    hub.hub.database.commit(lambda _: None)
    return hub.hub.database._group._session.driver  # type: ignore[attr-defined]


@on_postgres
def test_a_commit_that_was_made_but_not_answered_is_found_out(
    library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is lost after the commit: the terminal gets its result, and the tap was done once."""
    terminal, challenge, token = _ready(library_hub)
    finish = RemoteSession._finish
    lost: list[int] = []

    def lose_the_answer(session: RemoteSession, statements: list[Any]) -> None:
        finish(session, statements)
        if not lost:
            lost.append(1)
            session._driver.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(RemoteSession, "_finish", lose_the_answer)
    answer = terminal.prove(challenge, token)
    assert lost == [1]
    assert (answer.status_code, answer.get_json()["result"]["code"]) == (200, "library.linked")
    assert len(library_hub.audit("tap.done")) == 1


@on_postgres
def test_a_commit_that_was_not_made_is_found_out(library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is lost before the commit reached the server: 503, nothing was done, and the proof still works."""
    terminal, challenge, token = _ready(library_hub)
    finish = RemoteSession._finish
    lost: list[int] = []

    def lose_the_commit(session: RemoteSession, statements: list[Any]) -> None:
        if not lost:
            lost.append(1)
            session._driver.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        finish(session, statements)

    monkeypatch.setattr(RemoteSession, "_finish", lose_the_commit)
    _assert_unavailable(terminal.prove(challenge, token))
    _assert_untouched(library_hub, terminal, challenge)
    assert terminal.prove(challenge, token).status_code == 200


@on_postgres
def test_connections_that_an_administrator_cut_are_replaced(library_hub: HubHarness) -> None:
    """After all sessions were ended at most one request is refused, and the next works."""
    terminal, challenge, token = _ready(library_hub)
    owner = library_hub.database
    assert owner is not None
    with psycopg.connect(
        owner.owner.replace("+psycopg", "").replace("mykey_owner", "postgres"), autocommit=True
    ) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mykey_hub'")
    answers = [terminal.prove(challenge, token).status_code for _ in range(2)]
    assert answers in ([200, 409], [503, 200])
    assert len(library_hub.audit("tap.done")) == 1


def test_a_clock_that_is_set_back_opens_nothing_again(library_hub: HubHarness) -> None:
    """After the clock was set back by an hour a used proof stays used, and taps go on in their order."""
    terminal, challenge, token = _ready(library_hub)
    assert terminal.prove(challenge, token).status_code == 200
    library_hub.clock.move(timedelta(minutes=-60))
    terminal.sign_in()
    library_hub.publish_crls()
    library_hub.restart()
    again = library_hub.terminal()
    assert terminal.prove(challenge, token).get_json()["code"] == "tap_used"
    assert _state(again, again.begin(SERVICE)) == "open"
    assert len(library_hub.audit("tap.done")) == 1
