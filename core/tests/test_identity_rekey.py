"""The re-keying job: resumable, beside taps, and no account lost; what cannot follow stops it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert, select

from mykey_cardap.kinds import CertificateKind
from mykey_core.identity.errors import IdentityRefused
from mykey_core.identity.rekey import Rekeying
from mykey_core.identity.tables import former_subject
from mykey_core.keys.file import create_keys, load_keys
from mykey_core.keys.provider import Purpose
from mykey_testkit.identity import MUNICIPALITY, Register, certificate, numbered

ACCOUNTS = Table(
    "sample_account",
    MetaData(),
    Column("municipality", String(6), primary_key=True),
    Column("subject", String(43), primary_key=True),
    Column("points", String(10)),
)
COLUMNS = {"sample": ("sample_account.subject",)}


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    """On SQLite, where the hub's role may make the sample plugin's table."""
    town = Register(tmp_path)
    yield town
    town.close()


def with_accounts(register: Register, count: int) -> None:
    ACCOUNTS.create(register.database.engine)
    for number in range(count):
        register.enrol(number)
        subject = register.subject(number, "sample")
        values = {"municipality": MUNICIPALITY, "subject": subject, "points": str(number)}
        register.do(lambda session, row=values: session.execute(insert(ACCOUNTS).values(**row)))  # type: ignore[misc]


def points_of(register: Register, number: int) -> str | None:
    subject = register.subject(number, "sample")
    own = (ACCOUNTS.c.municipality == MUNICIPALITY) & (ACCOUNTS.c.subject == subject)
    return register.do(lambda session: session.execute(select(ACCOUNTS.c.points).where(own)).scalar())


def test_credentials_move_and_are_found_before_during_and_after(register: Register) -> None:
    """Half-way through, the cards of both epochs are found; at the end nothing is of the old epoch."""
    for number in range(10):
        register.enrol(number)
    register.keys.add_epoch(Purpose.CREDENTIAL)
    register.enrol(10)
    job = Rekeying(register.people, {})
    assert register.do(lambda session: job.step(session, Purpose.CREDENTIAL, register.clock(), 4)) == 4
    assert all(register.find(numbered(number)) for number in range(11))
    assert job.run(register.database, Purpose.CREDENTIAL, register.clock(), batch=4) == 6
    assert register.do(lambda session: job.waiting(session, Purpose.CREDENTIAL)) == 0
    assert all(register.find(numbered(number)) for number in range(11))
    assert register.find(numbered(11)) is None


def test_marks_of_attributes_move_too(register: Register) -> None:
    """What a certificate once said is still recognised under the new key."""
    signature = certificate("adult", CertificateKind.SIGNATURE)
    proofs = register.proof(certificate("adult")), register.proof(signature)
    person = register.do(lambda session: register.enrolment.by_signature(session, *proofs))
    register.keys.add_epoch(Purpose.CREDENTIAL)
    Rekeying(register.people, {}).run(register.database, Purpose.CREDENTIAL, register.clock())
    assert register.do(lambda session: register.enrolment.by_signature(session, *proofs)) == person


def test_three_epochs_in_one_go(register: Register) -> None:
    """Rows that missed an epoch go through it."""
    register.enrol(1)
    register.keys.add_epoch(Purpose.CREDENTIAL)
    register.keys.add_epoch(Purpose.CREDENTIAL)
    assert register.find(numbered(1)) is not None
    assert Rekeying(register.people, {}).run(register.database, Purpose.CREDENTIAL, register.clock()) == 1
    assert register.find(numbered(1)) is not None


def test_accounts_follow_the_new_pairwise_ids(register: Register) -> None:
    """Every subject changes, in the core and in the plugin's own table, and each person keeps their points."""
    with_accounts(register, 7)
    before = [register.subject(number, "sample") for number in range(7)]
    register.keys.add_epoch(Purpose.PAIRWISE)
    job = Rekeying(register.people, COLUMNS)
    register.do(lambda session: job.step(session, Purpose.PAIRWISE, register.clock(), 3))
    assert [points_of(register, number) for number in range(7)] == [str(number) for number in range(7)]
    job.run(register.database, Purpose.PAIRWISE, register.clock())
    after = [register.subject(number, "sample") for number in range(7)]
    assert [points_of(register, number) for number in range(7)] == [str(number) for number in range(7)]
    assert not set(before) & set(after)
    own = former_subject.c.municipality == MUNICIPALITY
    assert set(
        register.do(lambda session: session.execute(select(former_subject.c.subject).where(own)).scalars().all())
    ) == set(before)


def test_a_plugin_that_is_not_there_stops_the_job(register: Register) -> None:
    """Without its columns an account would be lost: the batch is undone."""
    with_accounts(register, 2)
    before = register.subject(0, "sample")
    register.keys.add_epoch(Purpose.PAIRWISE)
    with pytest.raises(IdentityRefused, match="subject_columns_missing"):
        Rekeying(register.people, {}).run(register.database, Purpose.PAIRWISE, register.clock())
    assert register.subject(0, "sample") == before


def test_a_crash_within_a_batch_leaves_it_undone(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core's row and the plugin's row move together or not at all; the job then goes on where it was."""
    from mykey_core.identity import rekey

    with_accounts(register, 3)
    register.keys.add_epoch(Purpose.PAIRWISE)
    job = Rekeying(register.people, COLUMNS)
    with monkeypatch.context() as patch:
        patch.setattr(rekey, "_replace", _power_cut)
        with pytest.raises(RuntimeError, match="power"):
            job.run(register.database, Purpose.PAIRWISE, register.clock())
    assert [points_of(register, number) for number in range(3)] == ["0", "1", "2"]
    assert job.run(register.database, Purpose.PAIRWISE, register.clock()) == 3
    assert [points_of(register, number) for number in range(3)] == ["0", "1", "2"]


def test_a_hub_that_missed_the_new_epoch_finds_it(register: Register, tmp_path: Path) -> None:
    """Another process re-keys; a running hub reads its key file again before it says 'not registered'."""
    path = tmp_path / "keys.json"
    keys = create_keys(path)
    object.__setattr__(register.people, "keys", keys)
    register.enrol(1)
    elsewhere = load_keys(path)
    elsewhere.add_epoch(Purpose.CREDENTIAL)
    other = type(register.people)(MUNICIPALITY, elsewhere)
    Rekeying(other, {}).run(register.database, Purpose.CREDENTIAL, register.clock())
    assert keys.epochs(Purpose.CREDENTIAL) == (1,)
    assert register.find(numbered(1)) is not None
    assert keys.epochs(Purpose.CREDENTIAL) == (1, 2)
    assert json.loads(path.read_text())["version"] == 2


def _power_cut(*_: object) -> None:
    raise RuntimeError("the power is gone")
