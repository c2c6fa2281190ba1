"""Snapshots: written once, mapped, swapped between processes, kept for audit, never parsed again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_core.errors import ConfigurationError
from mykey_core.trust.errors import RevocationDataError, RevocationUnavailable
from mykey_core.trust.revocation import CrlFileSource, snapshot, store
from mykey_core.trust.revocation.answers import SnapshotSource
from mykey_core.trust.revocation.crl import verify_crl
from mykey_core.trust.revocation.follow import following
from mykey_core.trust.revocation.scope import CrlScope, certificate_points
from mykey_core.trust.revocation.snapshot import build_snapshot, open_snapshot, snapshot_of
from mykey_core.trust.revocation.store import DirectoryStore, write_atomically
from mykey_core.trust.types import RevocationState
from mykey_testkit.revocation import HOUR, MOMENT, card, issuers, make_crl, trust_store

SERIAL = card().serial_number
LISTED = make_crl((SERIAL, x509.ReasonFlags.superseded), number=101, this_update=MOMENT - HOUR / 2)


def large(count: int = 40_000) -> bytes:
    """The bytes of a snapshot file large enough to be mapped."""
    crl = verify_crl(make_crl(), issuers())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "entries", lambda _crl: ((serial * 53, 1) for serial in range(count)))
        return build_snapshot(crl)


def test_a_snapshot_knows_its_crl_and_its_entries(tmp_path: Path) -> None:
    """The header says what the CRL said; the file is named by the CRL's SHA-256."""
    verified = verify_crl(LISTED, issuers())
    info = DirectoryStore(tmp_path).publish(verified)
    path = tmp_path / "snapshots" / f"{verified.sha256.hex()}.snapshot"
    opened = open_snapshot(path)
    assert opened.info == info
    assert (info.number, info.next_update, info.crl_bytes) == (101, MOMENT + HOUR, len(LISTED))
    assert (opened.count, opened.is_revoked(SERIAL), opened.find(SERIAL)) == (1, True, 4)


def test_a_large_snapshot_is_mapped_and_a_small_one_is_read(tmp_path: Path) -> None:
    """Workers share the pages of a large file; a thousand small ones do not use up the file descriptors."""
    path = tmp_path / "large.snapshot"
    path.write_bytes(large())
    opened = open_snapshot(path)
    assert opened.is_revoked(53)
    assert str(path) in Path("/proc/self/maps").read_text()
    small = tmp_path / "small.snapshot"
    small.write_bytes(build_snapshot(verify_crl(make_crl(), issuers())))
    kept = open_snapshot(small)
    assert str(small) not in Path("/proc/self/maps").read_text()
    assert kept.count == 0


@pytest.mark.parametrize("cut", [0, 5, 14, 200, -1])
def test_an_incomplete_snapshot_is_not_opened(cut: int) -> None:
    """What was not written completely, or is of another program, is refused with what to do."""
    whole = build_snapshot(verify_crl(LISTED, issuers()))
    with pytest.raises(RevocationDataError, match="snapshot_unreadable"):
        snapshot_of(whole[:cut])
    with pytest.raises(RevocationDataError, match="snapshot_unreadable"):
        snapshot_of(b"x" + whole[1:])


def test_a_restart_parses_no_crl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process answers from the snapshot: loading a CRL again would be an error here."""
    DirectoryStore(tmp_path).publish(verify_crl(LISTED, issuers()))

    def no_parsing(_data: bytes) -> None:
        raise AssertionError("a CRL was parsed at the start")

    monkeypatch.setattr(x509, "load_der_x509_crl", no_parsing)
    answer = SnapshotSource(DirectoryStore(tmp_path)).check(card(), MOMENT)
    assert answer.state is RevocationState.REVOKED


PUBLISH = """
import sys
from pathlib import Path
from mykey_core.trust.revocation.crl import verify_crl
from mykey_core.trust.revocation.store import DirectoryStore
from mykey_testkit.revocation import issuers
DirectoryStore(Path(sys.argv[1])).publish(verify_crl(sys.stdin.buffer.read(), issuers()))
"""


def test_the_first_taps_after_a_start_wait_for_the_first_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one thread opens the snapshot, the others wait for it instead of being told that there is none."""
    DirectoryStore(tmp_path).publish(verify_crl(make_crl(number=100), issuers()))
    open_slowly = DirectoryStore.current

    def slow(store: DirectoryStore, scope: CrlScope) -> object:
        time.sleep(0.05)
        return open_slowly(store, scope)

    monkeypatch.setattr(DirectoryStore, "current", slow)
    source = SnapshotSource(DirectoryStore(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: source.check(card(), MOMENT).state, range(8)))
    assert answers == [RevocationState.GOOD] * 8


def test_a_swap_in_another_process_is_seen(tmp_path: Path) -> None:
    """The updater is a process of its own; a worker that is running follows the pointer."""
    DirectoryStore(tmp_path).publish(verify_crl(make_crl(number=100), issuers()))
    worker = SnapshotSource(DirectoryStore(tmp_path), look_again_after=0)
    assert worker.check(card(), MOMENT).state is RevocationState.GOOD
    subprocess.run([sys.executable, "-c", PUBLISH, str(tmp_path)], input=LISTED, check=True, timeout=60)
    assert worker.check(card(), MOMENT).state is RevocationState.REVOKED
    assert len(list((tmp_path / "snapshots").iterdir())) == 2, "the old snapshot stays for audit"


def test_a_swap_is_seen_after_the_interval_and_not_looked_for_before(tmp_path: Path) -> None:
    """The pointer is looked at once a second, not in every tap."""
    clock = [0.0]
    shared = DirectoryStore(tmp_path)
    shared.publish(verify_crl(make_crl(number=100), issuers()))
    worker = SnapshotSource(shared, monotonic=lambda: clock[0])
    assert worker.check(card(), MOMENT).state is RevocationState.GOOD
    shared.publish(verify_crl(LISTED, issuers()))
    assert worker.check(card(), MOMENT).state is RevocationState.GOOD
    clock[0] = 1.0
    assert worker.check(card(), MOMENT).state is RevocationState.REVOKED


def test_a_thread_follows_the_swap_and_prepares_what_was_in_use(tmp_path: Path) -> None:
    """While it follows, no tap looks at a file; slices that were decoded before the swap are decoded after it."""
    shared = DirectoryStore(tmp_path)
    shared.publish(verify_crl(make_crl((SERIAL + 1, None), number=100), issuers()))
    worker = SnapshotSource(shared)
    with following([worker], every=0.01):
        assert worker.check(card(), MOMENT).state is RevocationState.GOOD
        shared.publish(verify_crl(LISTED, issuers()))
        deadline = time.monotonic() + 20
        while worker.check(card(), MOMENT).state is RevocationState.GOOD and time.monotonic() < deadline:
            assert worker.look_again_after == pytest.approx(0.1)
            time.sleep(0.01)
        assert worker.check(card(), MOMENT).state is RevocationState.REVOKED
        current = shared.current(verify_crl(LISTED, issuers()).scopes[0])
        assert current is not None
        before = current.complete
        before.is_revoked(SERIAL)
        fresh = open_snapshot(tmp_path / "snapshots" / f"{before.info.sha256}.snapshot")
        assert len(list(fresh.warm_like(before))) == 1
        assert list(fresh.warm_like(before)) == []
    assert worker.look_again_after == 1.0


def test_readers_never_see_anything_between_two_snapshots(tmp_path: Path) -> None:
    """While one thread publishes again and again, every reading is a whole state."""
    shared = DirectoryStore(tmp_path)
    crls = [make_crl((SERIAL + step, None), number=100 + step) for step in range(20)]
    shared.publish(verify_crl(crls[0], issuers()))
    failures: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        reader = SnapshotSource(DirectoryStore(tmp_path), look_again_after=0)
        while not done.is_set():
            try:
                reader.check(card(), MOMENT)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not happen
                failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for crl in crls:
        shared.publish(verify_crl(crl, issuers()))
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_same_crl_published_again_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart takes in the same files; it waits for no disk, and no other process looks again."""
    crl = verify_crl(LISTED, issuers())
    first, second = DirectoryStore(tmp_path), DirectoryStore(tmp_path)
    first.publish(crl)
    before = [first.version(scope) for scope in crl.scopes]
    written: list[Path] = []
    monkeypatch.setattr("mykey_core.trust.revocation.store.write_atomically", lambda path, _data: written.append(path))
    second.publish(crl)
    assert written == []
    assert [first.version(scope) for scope in crl.scopes] == before


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full disk or power cut before the rename: the old content stays and nothing is left lying about."""
    path = tmp_path / "pointer.json"
    write_atomically(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("pointer.json", b"old")]


def test_two_updaters_cannot_roll_each_other_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is checked again under the lock: the slower updater with the older CRL loses."""
    shared = DirectoryStore(tmp_path)
    real_build = store.build_snapshot

    def slow_build(crl: store.VerifiedCrl) -> bytes:
        monkeypatch.setattr(store, "build_snapshot", real_build)
        shared.publish(verify_crl(LISTED, issuers()))  # the quicker updater, while we build
        return real_build(crl)

    monkeypatch.setattr(store, "build_snapshot", slow_build)
    with pytest.raises(RevocationDataError, match="crl_rollback"):
        shared.publish(verify_crl(make_crl(number=100), issuers()))
    assert SnapshotSource(shared).check(card(), MOMENT).state is RevocationState.REVOKED


def test_crl_files_are_taken_and_bad_ones_reported(tmp_path: Path) -> None:
    """DER and PEM; a bad file is named with its code, and does not disturb the good one."""
    folder = tmp_path / "crls"
    folder.mkdir()
    pem = x509.load_der_x509_crl(LISTED).public_bytes(Encoding.PEM)
    (folder / "home.pem").write_bytes(pem)
    (folder / "broken.crl").write_bytes(LISTED[:-5])
    (folder / "note.txt").write_text("no CRL")
    source = CrlFileSource(folder, store=trust_store(), snapshots=tmp_path / "state")
    assert source.problems == {"broken.crl": "crl_malformed"}
    assert source.check(card(), MOMENT).state is RevocationState.REVOKED
    (folder / "home.pem").unlink()
    again = CrlFileSource(folder, store=trust_store(), snapshots=tmp_path / "state")
    assert again.check(card(), MOMENT).state is RevocationState.REVOKED


def test_a_changed_file_is_taken_on_refresh_and_a_rollback_is_reported(tmp_path: Path) -> None:
    """Replacing the file renews the answer; an older one is refused and the newer stays."""
    path = tmp_path / "home.crl"
    path.write_bytes(make_crl(number=100))
    source = CrlFileSource([path], store=trust_store())
    assert source.check(card(), MOMENT).state is RevocationState.GOOD
    write_atomically(path, LISTED)
    source.refresh()
    write_atomically(path, make_crl(number=100))
    source.refresh()
    assert source.problems == {"home.crl": "crl_rollback"}
    assert source.answers.look_again_after == 1.0
    assert SnapshotSource(source._store).check(card(), MOMENT).state is RevocationState.REVOKED


def test_missing_files_refuse(tmp_path: Path) -> None:
    """No directory: a configuration error. No file: reported, and every card is refused."""
    with pytest.raises(ConfigurationError, match="create it"):
        CrlFileSource(tmp_path / "nowhere", store=trust_store())
    source = CrlFileSource([tmp_path / "gone.crl"], store=trust_store())
    assert source.problems == {"gone.crl": "crl_file_missing"}
    with pytest.raises(RevocationUnavailable, match="no_crl"):
        source.check(card(), MOMENT)


def test_the_distribution_point_of_a_card_is_read_alike_by_both_readers() -> None:
    """The fast path's reader (asn1crypto) and this package's (cryptography) see the same bytes."""
    assert certificate_points(card().certificate) == card().distribution_points != ()


def test_grace_ends_to_the_second(tmp_path: Path) -> None:
    """A CRL that is over counts for less than the grace, flagged, and not a second longer."""
    shared = DirectoryStore(tmp_path)
    shared.publish(verify_crl(make_crl(), issuers()))
    source = SnapshotSource(shared)
    end = MOMENT + HOUR
    assert source.check_within(card(), end - timedelta(seconds=1), HOUR).mode == "fresh"
    assert source.check_within(card(), end, HOUR).mode == "grace"
    assert source.check_within(card(), end + HOUR - timedelta(seconds=1), HOUR).mode == "grace"
    with pytest.raises(RevocationUnavailable, match="crl_stale"):
        source.check_within(card(), end + HOUR, HOUR)
