"""The offline queue's file: nothing that `append` returned is ever lost, and nothing in it can be changed unseen."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mykey_terminal.device_key import DeviceKey
from mykey_terminal.errors import UnsafePermissionsError
from mykey_terminal.queue import OfflineQueue, QueueDamagedError, QueueForeignError
from mykey_terminal.queue.records import canonical

TERMINAL = "0198c0de-0000-7000-8000-000000000001"
KEY = DeviceKey.generate()

_CHILD = """
import sys
from pathlib import Path
from mykey_terminal.device_key import DeviceKey
from mykey_terminal.queue import OfflineQueue
queue = OfflineQueue(Path(sys.argv[1]), DeviceKey.load(Path(sys.argv[2])), terminal_id=sys.argv[3])
while True:
    print(queue.append("taxi-ride", {"yen": 700}).record_id, flush=True)
"""


def _queue(folder: Path, key: DeviceKey = KEY, terminal: str = TERMINAL) -> OfflineQueue:
    return OfflineQueue(folder / "queue" / "queue.sqlite3", key, terminal_id=terminal)


def test_records_are_numbered_chained_and_signed(tmp_path: Path) -> None:
    """From number 1 and 32 zero bytes on; the wire form holds what a verifier needs and no more."""
    with _queue(tmp_path) as queue:
        records = [queue.append("taxi-ride", {"駅": "前橋", "yen": n}) for n in range(3)]
        assert [record.seq for record in records] == [1, 2, 3]
        previous = bytes(32)
        for record in records:
            wire = record.on_the_wire()
            signed = {name: value for name, value in wire.items() if name not in {"prev_hash", "hash", "sig"}}
            text = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            assert wire["hash"] == hashlib.sha256(previous + text).hexdigest()
            assert KEY.verify(record.signature, bytes.fromhex(wire["hash"]))
            previous = record.hash
        assert queue.pending() == records


def test_a_killed_terminal_loses_nothing_that_it_was_promised(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing, three times: every id that was printed is there, and the chain is whole."""
    key_file = tmp_path / "key" / "device-key.pem"
    key_file.parent.mkdir(mode=0o700)
    KEY.save(key_file)
    path = tmp_path / "queue" / "queue.sqlite3"
    promised: list[str] = []
    for _ in range(3):
        arguments = [sys.executable, "-c", _CHILD, str(path), str(key_file), TERMINAL]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            promised.append(child.stdout.readline().strip())
            time.sleep(0.1)
            os.kill(child.pid, signal.SIGKILL)
            promised += [line.strip() for line in child.stdout if line.endswith("\n")]
    with _queue(tmp_path) as queue:
        kept = [record.record_id for record in queue.pending()]
    assert [record_id for record_id in promised if record_id not in kept] == []
    assert len(kept) - len(promised) <= 3  # what was written and not told, once for each kill


def test_a_torn_write_is_undone_whole(tmp_path: Path) -> None:
    """The log is cut at every 97th byte of the last commit: the queue has this record or has it not, never half."""
    with _queue(tmp_path) as queue:
        queue.append("taxi-ride", {"n": 1})
        log = queue.path.with_name(queue.path.name + "-wal")
        before = log.stat().st_size
        queue.append("taxi-ride", {"n": 2})
        after = log.stat().st_size
        for number, size in enumerate(range(before, after + 1, 97)):
            torn = tmp_path / f"torn-{number}" / "queue"
            torn.mkdir(parents=True, mode=0o700)
            shutil.copy(queue.path, torn)
            shutil.copy(log, torn)
            os.truncate(torn / log.name, size)
            with _queue(torn.parent) as restored:
                assert [record.seq for record in restored.pending()] in ([1], [1, 2])
                assert restored.append("taxi-ride", {"n": 3}).seq in {2, 3}
    assert after - before > 97


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE record SET content = replace(content, '700', '900') WHERE seq = 2",
        "UPDATE record SET signature = zeroblob(64) WHERE seq = 2",
        "UPDATE record SET previous = zeroblob(32) WHERE seq = 2",
        "DELETE FROM record WHERE seq = 2",
    ],
)
def test_a_changed_record_is_found_when_the_queue_is_opened(tmp_path: Path, change: str) -> None:
    """The first record that does not fit is named; nothing is written behind it."""
    with _queue(tmp_path) as queue:
        for _ in range(3):
            queue.append("taxi-ride", {"yen": 700})
    with sqlite3.connect(queue.path) as database:
        database.execute(change)
    database.close()
    with pytest.raises(QueueDamagedError) as caught:
        _queue(tmp_path)
    assert caught.value.seq == 2


def test_removing_the_newest_record_is_found(tmp_path: Path) -> None:
    """A driver who deletes the last ride leaves the head of the chain behind."""
    with _queue(tmp_path) as queue:
        queue.append("taxi-ride", {"yen": 700})
        queue.append("taxi-ride", {"yen": 700})
    with sqlite3.connect(queue.path) as database:
        database.execute("DELETE FROM record WHERE seq = 2")
    database.close()
    with pytest.raises(QueueDamagedError):
        _queue(tmp_path)


def test_a_queue_belongs_to_one_terminal_and_key(tmp_path: Path) -> None:
    """A file that was begun by another is refused, not continued."""
    _queue(tmp_path).close()
    with pytest.raises(QueueForeignError):
        _queue(tmp_path, DeviceKey.generate())
    with pytest.raises(QueueForeignError):
        _queue(tmp_path, terminal="0198c0de-0000-7000-8000-000000000002")


def test_the_file_is_private(tmp_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700; a file that others can read is refused."""
    with _queue(tmp_path) as queue:
        assert queue.path.stat().st_mode & 0o777 == 0o600
    queue.path.chmod(0o644)
    with pytest.raises(UnsafePermissionsError):
        _queue(tmp_path)


def test_the_hubs_last_word_is_final(tmp_path: Path) -> None:
    """A receipt is not replaced; what the hub misses can be sent again all the same."""
    with _queue(tmp_path) as queue:
        record = queue.append("taxi-ride", {"yen": 700})
        queue.mark_delivered(1, state="pending_gap")
        assert [open_record.seq for open_record in queue.unsettled()] == [1]
        queue.mark_delivered(1, state="accepted", code="taxi.ride", receipt={"n": 1})
        queue.mark_delivered(1, state="rejected", receipt={"n": 2})
        found = queue.find(record.record_id)
        assert found is not None
        assert (found.state, found.receipt) == ("accepted", {"n": 1})
        assert queue.send_again(1, 5) == 1
        assert queue.counts() == {"pending": 1, "unsettled": 0, "last_seq": 1}


def test_what_is_decided_can_be_forgotten(tmp_path: Path) -> None:
    """Up to the first record that is still open; the chain goes on from the head."""
    with _queue(tmp_path) as queue:
        for state in ("accepted", "rejected", "waiting", "accepted"):
            queue.mark_delivered(queue.append("taxi-ride", {"n": 1}).seq, state=state)
        assert queue.forget(datetime.now(UTC) + timedelta(days=1)) == 2
    with _queue(tmp_path) as queue:
        assert queue.append("taxi-ride", {"n": 1}).seq == 5


def test_two_processes_share_one_chain(tmp_path: Path) -> None:
    """The agent and the cab's program may write into the same queue."""
    with _queue(tmp_path) as one, _queue(tmp_path) as other:
        for number in range(6):
            (one, other)[number % 2].append("taxi-ride", {"n": number})
        one.check()
        assert one.counts()["last_seq"] == 6


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(_values)
def test_canonical_text_survives_the_wire(value: Any) -> None:
    """Whatever a JSON reader makes of the text, it writes the same text again."""
    text = canonical(value)
    assert canonical(json.loads(text.encode())) == text


@pytest.mark.parametrize("value", [1.5, 2**53, {"a": [0.0]}, "\ud800", {1: "x"}])
def test_what_has_no_canonical_text_is_refused(value: Any) -> None:
    """Before it is signed, not when the hub finds another hash."""
    with pytest.raises(ValueError):
        canonical(value if isinstance(value, dict) else {"v": value})
