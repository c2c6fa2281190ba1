"""Sealing, checkpoints and verification of a whole log, on both databases."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from mykey_core.audit.checkpoint import sign_checkpoint
from mykey_core.audit.checkpoints import make_checkpoint, newest_checkpoint
from mykey_core.audit.errors import AuditSchemaError, LogBroken
from mykey_core.audit.keeper import AuditKeeper
from mykey_core.audit.keys import FileSigner
from mykey_core.audit.merkle import CompactRange, leaf_hash
from mykey_core.audit.raw import RAW_COLUMNS, raw_text
from mykey_core.audit.records import append
from mykey_core.audit.sealer import LOOK_BACK, Sealer
from mykey_core.audit.tables import APPEND_ONLY, audit_leaf, audit_node
from mykey_core.audit.tree import TreeReader
from mykey_core.audit.verify import FindingKind
from mykey_core.errors import StorageUnavailable
from mykey_core.storage.all_tables import metadata
from mykey_core.storage.database import open_database
from mykey_core.storage.tables import audit_record
from mykey_testkit.audit import ACTION, SIGNER, TOWN, AuditTown, opened, subject_of


def order(town: AuditTown) -> list[UUID]:
    """Ids of the sealed records in the order of the tree."""
    own = audit_leaf.c.municipality == TOWN
    with town.database.reading() as session:
        rows = session.execute(select(audit_leaf.c.record_id).where(own).order_by(audit_leaf.c.leaf_index))
        return list(rows.scalars())


def count(town: AuditTown) -> int:
    """How many records there are, sealed or not."""
    with town.database.reading() as session:
        own = audit_record.c.municipality == TOWN
        return int(session.execute(select(func.count()).select_from(audit_record).where(own)).scalar_one())


def test_every_record_gets_one_place(audit_town: AuditTown) -> None:
    """Records are sealed in batches, once, in the order of their ids; what comes later follows."""
    made = audit_town.add(130)
    assert audit_town.sealer.seal() == 130
    assert audit_town.sealer.seal() == 0
    more = audit_town.add(7)
    assert audit_town.sealer.seal() == 7
    assert order(audit_town) == [record.id for record in [*made, *more]]
    assert audit_town.verify().ok


def test_the_stored_tree_is_that_of_the_records(audit_town: AuditTown) -> None:
    """Root, nodes and tiles of 700 records are those of a tree built from the records' texts alone."""
    audit_town.add(700)
    note = audit_town.checkpoint()
    with audit_town.database.reading() as session:
        rows = session.execute(
            select(*RAW_COLUMNS).where(audit_record.c.municipality == TOWN).order_by(audit_record.c.id)
        )
        hashes = [leaf_hash(raw_text(TOWN, row).encode()) for row in rows]
        tree = TreeReader(session, TOWN)
        assert tree.tile(0, 1) == hashes[256:512]
        assert tree.tile(0, 2) == hashes[512:]
        assert len(tree.tile(1, 0)) == 2
        own = audit_node.c.municipality == TOWN
        assert session.execute(select(func.count()).select_from(audit_node).where(own)).scalar() == 2
    edge = CompactRange()
    for digest in hashes:
        edge.append(digest)
    assert opened(note).root == edge.root()
    assert opened(note).size == 700


def test_a_record_that_is_committed_late_is_sealed_later(
    audit_town: AuditTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids are made before the commit: a smaller id that becomes visible after a sealing is not skipped."""
    early = next_id()
    later = audit_town.add(60)
    assert audit_town.sealer.seal() == 60
    monkeypatch.setattr("mykey_core.audit.records.uuid7", lambda: early)
    late = audit_town.add()[0]
    assert late.id < later[0].id
    assert audit_town.sealer.seal() == 1
    assert order(audit_town) == [*(record.id for record in later), early]
    assert audit_town.verify().ok


def next_id() -> UUID:
    """The next id of the process."""
    made: UUID = uuid7()
    return made


@pytest.mark.postgres
@pytest.mark.parametrize("hub_engine", ["postgres"], indirect=True)  # SQLite has one open writer at a time
def test_an_open_transaction_is_not_waited_for(audit_town: AuditTown) -> None:
    """PostgreSQL: while one tap is still open, others are sealed; it is sealed after its own commit."""
    with audit_town.database.writing() as slow:
        first = append(slow, TOWN, audit_town.clock.now, "action.done", ACTION)
        second = audit_town.add()[0]
        assert first.id < second.id
        assert audit_town.sealer.seal() == 1
    assert audit_town.sealer.seal() == 1
    assert order(audit_town) == [second.id, first.id]
    assert audit_town.verify().ok


def test_a_sweep_finds_what_is_older_than_a_run_looks_back(audit_town: AuditTown) -> None:
    """A record whose id is hours older than the last sealed one waits for the next sweep, and no longer."""
    audit_town.add(3)
    audit_town.sealer.seal()
    old = UUID(int=next_id().int - (int((LOOK_BACK * 6).total_seconds() * 1000) << 80))
    values = {"municipality": TOWN, "id": old, "at": audit_town.clock.now, "event": "action.done", "facts": ACTION}
    audit_town.clock.now = audit_town.clock.now + timedelta(days=365)
    with audit_town.database.writing() as session:
        session.execute(insert(audit_record).values(**values))
    assert audit_town.sealer.seal() == 0
    assert audit_town.sealer.seal(sweep=True) == 1
    assert order(audit_town)[-1] == old


def test_a_clock_that_was_set_back_hides_nothing(audit_town: AuditTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the clock went back by a day, runs look back from there."""
    audit_town.add(3)
    audit_town.sealer.seal()
    back = UUID(int=next_id().int - (86_400_000 << 80))
    audit_town.clock.now -= timedelta(days=365)
    monkeypatch.setattr("mykey_core.audit.records.uuid7", lambda: back)
    audit_town.add()
    assert audit_town.sealer.seal() == 1


def test_taps_and_sealers_at_once_lose_nothing(audit_town: AuditTown) -> None:
    """Four writers and three sealers at the same time: every record has exactly one place, without gaps."""
    writing = threading.Event()

    def write(_: int) -> None:
        for _ in range(40):
            with audit_town.database.writing() as session:
                append(session, TOWN, audit_town.clock.now, "action.done", ACTION)

    def seal(_: int) -> int:
        sealer, sealed = Sealer(audit_town.database, TOWN, audit_town.clock, batch=7), 0
        while not writing.is_set():
            sealed += sealer.seal()
        return sealed

    with ThreadPoolExecutor(7) as pool:
        sealers = [pool.submit(seal, number) for number in range(3)]
        for writer in [pool.submit(write, number) for number in range(4)]:
            writer.result()
        writing.set()
        sealed = sum(sealer.result() for sealer in sealers)
    sealed += audit_town.sealer.seal()
    places = order(audit_town)
    assert sealed == len(places) == len(set(places)) == count(audit_town) == 160
    assert audit_town.verify().ok


def test_a_checkpoint_is_signed_once_a_size(audit_town: AuditTown) -> None:
    """Without new records the newest checkpoint is given again, byte for byte."""
    audit_town.add(5)
    first = audit_town.checkpoint()
    assert audit_town.checkpoint() == first
    audit_town.add(5)
    assert opened(audit_town.checkpoint()).size == 10


def test_no_second_history_is_signed(audit_town: AuditTown) -> None:
    """A log that does not continue its last checkpoint gets no signature any more."""
    audit_town.filled(300)
    audit_town.tamper("UPDATE audit_leaf SET leaf_hash = (SELECT leaf_hash FROM audit_leaf WHERE leaf_index = 1)")
    audit_town.add()
    with pytest.raises(LogBroken) as caught:
        audit_town.checkpoint()
    assert caught.value.size == 300


def test_an_empty_log_has_a_checkpoint(audit_town: AuditTown) -> None:
    """The checkpoint of nothing is the root of the empty tree, and everything continues it."""
    note = audit_town.checkpoint()
    assert opened(note).size == 0
    audit_town.filled(3)
    assert audit_town.verify(note).ok


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_database_refuses_changes(audit_town: AuditTown, table: str) -> None:
    """UPDATE and DELETE on each table of the log fail, for the hub's role and for the owner."""
    audit_town.filled(300)
    rows = metadata.tables[table]
    own = rows.c.municipality == TOWN
    for statement in (update(rows).where(own).values(municipality=TOWN), delete(rows).where(own)):
        with pytest.raises((DBAPIError, StorageUnavailable)), audit_town.database.writing() as session:
            session.execute(statement)
    assert audit_town.verify().ok


def test_a_record_that_is_not_registered_is_not_written(audit_town: AuditTown) -> None:
    """An unknown fact stops the whole transaction."""
    with pytest.raises(AuditSchemaError), audit_town.database.writing() as session:
        append(session, TOWN, audit_town.clock.now, "action.done", {**ACTION, "name": "山田太郎"})
    assert count(audit_town) == 0


def test_the_keeper_seals_and_signs(audit_town: AuditTown) -> None:
    """A checkpoint at the first round, another when an hour has gone and something was sealed, none without."""
    keeper = AuditKeeper(audit_town.database, TOWN, SIGNER, audit_town.clock)
    audit_town.add(5)
    assert keeper.tick() == 5
    audit_town.add(5)
    assert keeper.tick() == 5
    assert newest_size(audit_town) == 5
    audit_town.clock.move(timedelta(hours=1))
    assert keeper.tick() == 0
    assert newest_size(audit_town) == 10
    audit_town.clock.move(timedelta(hours=1))
    keeper.tick()
    assert newest_size(audit_town) == 10


@pytest.mark.postgres
@pytest.mark.parametrize("hub_engine", ["postgres"], indirect=True)  # SQLite has one open writer at a time
def test_two_processes_that_sign_at_once_have_one_checkpoint(
    audit_town: AuditTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that comes second returns the first one's checkpoint, and its own thread goes on."""
    audit_town.add(5)
    audit_town.sealer.seal()
    others = []

    def meanwhile(size: int, root: bytes, signer: FileSigner) -> str:
        if not others:
            monkeypatch.undo()
            others.append(make_checkpoint(audit_town.database, TOWN, SIGNER, audit_town.clock.now))
        return sign_checkpoint(size, root, signer)

    monkeypatch.setattr("mykey_core.audit.checkpoints.sign_checkpoint", meanwhile)
    assert make_checkpoint(audit_town.database, TOWN, SIGNER, audit_town.clock.now) == others[0]
    assert newest_size(audit_town) == 5


def test_nothing_ends_the_keeper(audit_town: AuditTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error that nobody foresaw the next round seals, and the log names the kind of error only."""
    keeper, seal, rounds = AuditKeeper(audit_town.database, TOWN, SIGNER, audit_town.clock), Sealer.seal, []

    def broken_once(sealer: Sealer, *, sweep: bool = False) -> int:
        rounds.append(sweep)
        if len(rounds) == 1:
            raise ZeroDivisionError
        return seal(sealer, sweep=sweep)

    monkeypatch.setattr(Sealer, "seal", broken_once)
    audit_town.add(5)
    keeper.start(timedelta(milliseconds=10))
    until = time.monotonic() + 20
    while len(rounds) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(rounds) >= 2
    keeper.stop()
    assert len(order(audit_town)) == 5


def newest_size(town: AuditTown) -> int:
    """The size of the newest checkpoint."""
    with town.database.reading() as session:
        newest = newest_checkpoint(session, TOWN)
    return 0 if newest is None else newest.size


def test_the_keeper_works_by_itself_until_it_is_stopped(audit_town: AuditTown) -> None:
    """Its thread seals within its period, and stopping seals the rest."""
    keeper = AuditKeeper(audit_town.database, TOWN, SIGNER, audit_town.clock)
    keeper.start(timedelta(milliseconds=10))
    audit_town.add(5)
    keeper.stop()
    assert len(order(audit_town)) == 5


def test_towns_have_logs_of_their_own(tmp_path: Path) -> None:
    """Two towns in one database: each tree holds its own records only."""
    town = AuditTown(tmp_path)
    town.add(4)
    other = open_database(town.urls.hub, "102016")
    with other.writing() as session:
        append(session, "102016", town.clock.now, "municipality.created", {})
    assert Sealer(other, "102016", town.clock).seal() == 1
    assert town.sealer.seal() == 4
    make_checkpoint(town.database, TOWN, SIGNER, town.clock.now)
    assert town.verify().size == 4
    other.dispose()
    town.close()


def test_verification_says_what_waits(audit_town: AuditTown) -> None:
    """Records that wait to be sealed are counted, and are no finding."""
    audit_town.filled(5)
    audit_town.add(3, subject=subject_of(1))
    found = audit_town.verify()
    assert (found.size, found.pending, found.ok) == (5, 3, True)
    assert found.as_json()["checkpoint"] == {"origin": SIGNER.name, "size": 5}
    assert FindingKind.INSERTED not in {finding.kind for finding in found.findings}
