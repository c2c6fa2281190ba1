"""The rules for records of terminals' queues: order, replay, contradictions, clocks, and what a clerk may do."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from mykey_core.storage.tables import audit_record
from mykey_core.uploads.states import ReconcileRefused, RecordState, UploadRefused
from mykey_core.uploads.tables import upload_evidence, upload_record
from mykey_testkit.identity import MUNICIPALITY, Register
from mykey_testkit.uploads import Cab, Office

STAFF = "staff:desk-1"


@pytest.fixture
def office(register: Register) -> Office:
    """A town with one cab and a service that takes every record, on each database."""
    return Office(register)


def test_a_record_is_received_once_and_answered_for_ever(office: Office) -> None:
    """Replay gives the identical receipt, and the service heard of the record once (TX-U1)."""
    cab = office.cab()
    record = cab.make({"yen": 700})
    first = cab.upload(record)
    office.register.clock.move(timedelta(days=3))
    assert cab.upload(record) == first
    assert first.records[0]["state"] == "accepted"
    assert first.records[0]["receipt"]["hash"] == record["hash"]
    assert office.heard == [1]


def test_another_record_with_the_same_number_is_refused_and_kept(office: Office) -> None:
    """The first stays, the second is evidence, and is kept once however often it is sent (TX-U2)."""
    cab = office.cab()
    twin = cab.copy()
    first, second = cab.make({"yen": 700}), twin.make({"yen": 9000})
    cab.upload(first)
    for _ in range(2):
        with pytest.raises(UploadRefused) as caught:
            cab.upload(second)
        assert (caught.value.code, caught.value.seq) == ("upload_conflict", 1)
    assert office.count(upload_record) == 1
    assert office.count(upload_evidence) == 1
    assert office.heard == [1]
    assert cab.upload(first).records[0]["state"] == "accepted"


def test_records_before_a_contradiction_stand(office: Office) -> None:
    """The refusal carries the answers for what came before it in the same upload."""
    cab = office.cab()
    twin = cab.copy()
    cab.upload(cab.make({"n": 1}), cab.make({"n": 2}))
    twin_records = [twin.make({"n": 1}) for _ in range(2)]
    good = cab.make({"n": 3})
    with pytest.raises(UploadRefused) as caught:
        cab.upload(good, twin_records[1])
    assert [answer["seq"] for answer in caught.value.answers] == [3]
    assert office.heard == [1, 2, 3]


def test_a_gap_holds_up_what_follows_until_it_is_filled(office: Office) -> None:
    """Nothing behind a gap reaches the service; the missing record sets all of it free in order (TX-U5)."""
    cab = office.cab()
    one, two, three, four = (cab.make({"n": n}) for n in range(4))
    cab.upload(one)
    answer = cab.upload(three, four)
    assert [record["state"] for record in answer.records] == ["pending_gap", "pending_gap"]
    assert answer.missing == [(2, 2)]
    assert office.heard == [1]
    assert cab.upload(two).missing == []
    assert office.heard == [1, 2, 3, 4]
    assert [record["state"] for record in cab.upload(three, four).records] == ["accepted", "accepted"]


def test_a_clerk_may_waive_a_gap(office: Office) -> None:
    """Only the oldest gap as it is; what comes later for it goes to quarantine; it is in the audit log."""
    cab = office.cab()
    records = [cab.make({"n": n}) for n in range(5)]
    cab.upload(records[0], records[3], records[4])
    desk = office.reconciliation
    with pytest.raises(ReconcileRefused):
        desk.waive_gap(cab.terminal.id, 2, 2, actor=STAFF)
    assert [(case.kind, case.first, case.last) for case in desk.open_cases()] == [("gap", 2, 3)]
    assert desk.waive_gap(cab.terminal.id, 2, 3, actor=STAFF) == 2
    assert office.heard == [1, 4, 5]
    assert desk.open_cases() == []
    late = cab.upload(records[1]).records[0]
    assert (late["state"], late["code"]) == ("quarantined", "gap_waived")
    assert office.events().count("upload.gap_waived") == 1


def test_a_chain_that_forks_is_refused(office: Office) -> None:
    """A record that follows another one than the hub has is no continuation, however well it is signed."""
    cab = office.cab()
    cab.upload(cab.make({"n": 1}))
    twin = cab.copy()
    twin.restart()
    twin.make({"n": "another first"})
    with pytest.raises(UploadRefused) as caught:
        cab.upload(twin.make({"n": 2}))
    assert caught.value.code == "upload_chain_broken"
    assert office.count(upload_evidence) == 1


def test_what_fills_a_gap_must_fit_on_both_sides(office: Office) -> None:
    """A record that a later one does not follow is refused, although its own number is free."""
    cab = office.cab()
    one = cab.make({"n": 1})
    twin = cab.copy()
    other_two = twin.make({"n": "another second"})
    two, three = cab.make({"n": 2}), cab.make({"n": 3})
    cab.upload(one, three)
    with pytest.raises(UploadRefused) as caught:
        cab.upload(other_two)
    assert caught.value.code == "upload_chain_broken"
    assert cab.upload(two).missing == []


@pytest.mark.parametrize(
    "member", ["payload", "recorded_at", "mono_ms", "service", "hash", "prev_hash", "sig", "boot_id"]
)
def test_a_changed_member_is_noticed(office: Office, member: str) -> None:
    """Whatever of a record is changed on the way, it is no record of this terminal any more."""
    cab = office.cab()
    record = cab.make({"yen": 700})
    changed = {
        "payload": {"yen": 701}, "recorded_at": "2026-11-02T00:59:59.000Z", "mono_ms": 1, "service": "other",
        "hash": "00" * 32, "prev_hash": "11" * 32, "sig": "A" * 86, "boot_id": "another",
    }  # fmt: skip
    with pytest.raises(UploadRefused) as caught:
        cab.upload({**record, member: changed[member]})
    assert caught.value.code == "upload_record_invalid"
    assert office.heard == []


def test_a_record_of_another_terminal_is_refused(office: Office) -> None:
    """A terminal can hand in its own records only, also those that are well signed."""
    first, second = office.cab(), office.cab()
    with pytest.raises(UploadRefused) as caught:
        second.upload(first.make({"n": 1}))
    assert caught.value.code == "upload_record_invalid"


@pytest.mark.parametrize(
    ("skew", "clock", "state"),
    [
        (0, "ok", "accepted"),
        (300, "ok", "accepted"),
        (-300, "ok", "accepted"),
        (301, "adjusted", "accepted"),
        (-86_400, "adjusted", "accepted"),
        (86_401, "quarantined", "quarantined"),
        (-86_401, "quarantined", "quarantined"),
    ],
)
def test_the_clock_rules(office: Office, skew: int, clock: str, state: str) -> None:
    """TX-T2 to T4 with their limits: used as it is, corrected, or for a person to decide."""
    cab = office.cab()
    cab.skew = timedelta(seconds=skew)
    answer = cab.upload(cab.make({"n": 1})).records[0]
    assert answer["state"] == state
    assert office.clocks() == [clock]
    if clock == "adjusted":
        assert office.deliveries[0].recorded_at == office.register.clock.now  # example T16: skew taken off
        assert office.deliveries[0].skew == timedelta(seconds=skew)


def test_a_counter_that_went_back_is_for_a_person(office: Office) -> None:
    """Within one run of the computer the counter only rises (TX-T4); after a restart it may begin anew."""
    cab = office.cab()
    cab.uptime_ms = 50_000
    cab.upload(cab.make({"n": 1}))
    cab.uptime_ms = 10_000
    answer = cab.upload(cab.make({"n": 2})).records[0]
    assert (answer["state"], answer["code"]) == ("quarantined", "clock_backwards")
    cab.boot_id = "after-a-restart"
    assert cab.upload(cab.make({"n": 3})).records[0]["state"] == "accepted"


def test_a_clock_that_was_wrong_only_while_recording_is_noticed(office: Office) -> None:
    """The counter tells when it really was: setting the clock back for a ride and right again gains nothing."""
    cab = office.cab()
    cab.skew = timedelta(hours=-2)
    record = cab.make({"n": 1})
    cab.skew = timedelta(0)
    cab.pass_time(timedelta(minutes=30))
    cab.upload(record)
    assert office.clocks() == ["adjusted"]
    assert office.deliveries[0].recorded_at == office.register.clock.now - timedelta(minutes=30)


def test_a_clerk_decides_about_quarantine(office: Office) -> None:
    """Released with the clock's error, or rejected; the terminal's receipt stays what it was."""
    cab = office.cab()
    cab.skew = timedelta(days=365)
    records = [cab.make({"n": 1}), cab.make({"n": 2})]
    before = cab.upload(*records)
    desk = office.reconciliation
    assert [case.kind for case in desk.open_cases()] == ["quarantined", "quarantined"]
    assert desk.release_quarantine(cab.terminal.id, 1, actor=STAFF, skew=cab.skew) is RecordState.ACCEPTED
    assert desk.reject_quarantine(cab.terminal.id, 2, actor=STAFF) is RecordState.REJECTED
    assert office.deliveries[0].recorded_at == office.register.clock.now
    assert cab.upload(*records) == before
    with pytest.raises(ReconcileRefused):
        desk.release_quarantine(cab.terminal.id, 1, actor=STAFF)
    assert office.heard == [1]
    assert office.events().count("upload.decided") == 2


def test_a_service_that_fails_loses_nothing(office: Office) -> None:
    """The record waits, its half-done writes are undone, the next ones too; all are handed over when it works again."""
    cab = office.cab()
    office.failing = True
    records = [cab.make({"n": n}) for n in range(3)]
    answer = cab.upload(*records)
    assert [record["state"] for record in answer.records] == ["waiting"] * 3
    assert office.heard == []
    office.failing = False
    assert [record["state"] for record in cab.upload(*records).records] == ["accepted"] * 3
    assert office.heard == [1, 2, 3]


@pytest.mark.parametrize("payload", [{"yen": 7.5}, {"n": 2**53}, {"deep": [{"x": 0.0}]}])
def test_numbers_that_two_programs_write_differently_are_refused(office: Office, payload: dict[str, object]) -> None:
    """Fractions and great integers have no canonical form that everybody agrees on."""
    cab = office.cab()
    with pytest.raises(UploadRefused):
        cab.upload(cab.sign_anything(payload))


def test_openssl_agrees_on_signature_and_hash(office: Office, tmp_path: Path) -> None:
    """The stored record can be verified years later with nothing but openssl and the terminal's public key."""
    cab = office.cab()
    cab.upload(cab.make({"n": 1, "駅": "前橋"}))
    with office.register.database.reading() as session:
        query = select(upload_record).where(upload_record.c.municipality == MUNICIPALITY)
        row = session.execute(query).one()
    (tmp_path / "text").write_bytes(bytes(row.previous) + row.content.encode())
    (tmp_path / "sig").write_bytes(bytes(row.signature))
    (tmp_path / "key.pem").write_bytes(cab.public_pem())
    digest = subprocess.run(
        ["openssl", "dgst", "-sha256", "-binary", "text"], cwd=tmp_path, capture_output=True, check=True
    )
    assert digest.stdout == bytes(row.hash)
    (tmp_path / "hash").write_bytes(digest.stdout)
    command = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "key.pem", "-in", "hash", "-sigfile", "sig"]
    done = subprocess.run(["openssl", *command], cwd=tmp_path, capture_output=True, check=False)
    assert b"Verified Successfully" in done.stdout
    assert json.loads(row.content)["payload"]["駅"] == "前橋"


def test_every_record_is_in_the_audit_log(office: Office) -> None:
    """In the same commit as the record: who, which number, which state."""
    cab = office.cab()
    cab.upload(cab.make({"n": 1}), cab.make({"n": 2}))
    with office.register.database.reading() as session:
        query = select(audit_record.c.facts).where(
            audit_record.c.municipality == MUNICIPALITY, audit_record.c.event == "upload.record"
        )
        facts = [dict(row.facts) for row in session.execute(query)]
    assert sorted(fact["sequence"] for fact in facts) == [1, 2]
    assert {fact["state"] for fact in facts} == {"accepted"}


def test_two_uploads_at_once_take_each_record_once(office: Office) -> None:
    """The same batch in two threads: one row, one delivery, the same receipts."""
    from concurrent.futures import ThreadPoolExecutor

    cab = office.cab()
    records = [cab.make({"n": n}) for n in range(5)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: cab.upload(*records), range(4)))
    assert sorted(office.heard) == [1, 2, 3, 4, 5]
    assert all(answer == answers[0] for answer in answers)


def test_a_cab_is_no_cab_without_a_name(office: Office) -> None:
    """The harness itself: two cabs are two terminals with chains of their own."""
    first, second = office.cab(), office.cab()
    assert isinstance(first, Cab)
    for cab in (first, second):
        assert cab.upload(cab.make({"n": 1})).records[0]["seq"] == 1
