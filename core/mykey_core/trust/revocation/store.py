"""Where snapshots live: a directory shared by the updater and all workers, and its twin in memory.

Files are written once and swapped by replacing a small pointer file, so that a reader sees the old or the new
state and nothing between. Old snapshots stay for audit. Rollback is refused here.

    snapshots/<sha256 of the CRL>.snapshot     immutable
    current/<scope>.json                       the complete CRL and the delta in use for one scope
    lock                                       held while a pointer is changed
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from mykey_core.trust.errors import RevocationDataError
from mykey_core.trust.revocation.crl import VerifiedCrl, require_newer
from mykey_core.trust.revocation.scope import CrlScope
from mykey_core.trust.revocation.snapshot import (
    Snapshot,
    SnapshotInfo,
    build_snapshot,
    open_snapshot,
    snapshot_of,
)


@dataclass(frozen=True, slots=True)
class Current:
    """What is in use for one scope: a complete snapshot and, where there is one, the delta over it."""

    complete: Snapshot
    delta: Snapshot | None = None

    @property
    def newest(self) -> SnapshotInfo:
        """The CRL that was made last: the delta, where there is one."""
        return (self.delta or self.complete).info

    @property
    def next_update(self) -> datetime:
        """Until when the whole is fresh. A delta that is over leaves the complete CRL as good as without it."""
        ends = self.complete.info.next_update
        return ends if self.delta is None else max(ends, self.delta.info.next_update)


class SnapshotStore(Protocol):
    """Keeps the snapshot of each scope and refuses to go back."""

    def publish(self, crl: VerifiedCrl) -> SnapshotInfo:
        """Make `crl` the present one of its scopes; raises RevocationDataError, and then nothing changed."""
        ...

    def current(self, scope: CrlScope) -> Current | None:
        """What is in use for `scope`, or None."""
        ...

    def version(self, scope: CrlScope) -> object:
        """Something cheap that changes when `current(scope)` does."""
        ...


def follow(stored: Current | None, crl: VerifiedCrl) -> None:
    """Raise RevocationDataError unless `crl` may come after what is stored (RFC 5280 5.2.3, 5.2.4)."""
    if crl.base_number is not None:
        _follow_with_delta(stored, crl)
    elif stored is not None:
        _refuse_older(stored.complete.info, crl)


def _follow_with_delta(stored: Current | None, crl: VerifiedCrl) -> None:
    if stored is None:
        raise RevocationDataError("crl_delta_without_base", "a complete CRL must come first")
    base = stored.complete.info
    if base.number is None or crl.number is None or crl.base_number is None:
        raise RevocationDataError("crl_delta_without_base", "a delta and its base must be numbered")
    if not crl.base_number <= base.number < crl.number:
        raise RevocationDataError("crl_delta_without_base", "the stored CRL is not one that this delta continues")
    _refuse_older(stored.newest, crl)


def _refuse_older(stored: SnapshotInfo, crl: VerifiedCrl) -> None:
    require_newer(
        number=crl.number,
        this_update=crl.this_update,
        stored_number=stored.number,
        stored_this_update=stored.this_update,
    )


def replace(stored: Current | None, crl: VerifiedCrl, snapshot: Snapshot) -> Current:
    """What is in use after `snapshot` of `crl` came: a delta stays only while it is newer than its base."""
    if crl.base_number is not None and stored is not None:
        return Current(stored.complete, snapshot)
    delta = None if stored is None else stored.delta
    keeps = delta is not None and delta.info.this_update > crl.this_update and _continues(delta.info, crl)
    return Current(snapshot, delta if keeps else None)


def _continues(delta: SnapshotInfo, complete: VerifiedCrl) -> bool:
    if complete.number is None or delta.base_number is None or delta.number is None:
        return False
    return delta.base_number <= complete.number < delta.number


class MemoryStore:
    """Snapshots in this process only: for CRLs that come with a request, and for tests."""

    def __init__(self) -> None:
        self._current: dict[CrlScope, Current] = {}

    def publish(self, crl: VerifiedCrl) -> SnapshotInfo:
        """See `SnapshotStore.publish`."""
        for scope in crl.scopes:
            follow(self._current.get(scope), crl)
        snapshot = snapshot_of(build_snapshot(crl))
        for scope in crl.scopes:
            self._current[scope] = replace(self._current.get(scope), crl, snapshot)
        return snapshot.info

    def current(self, scope: CrlScope) -> Current | None:
        """See `SnapshotStore.current`."""
        return self._current.get(scope)

    def version(self, scope: CrlScope) -> object:
        """See `SnapshotStore.version`."""
        return self._current.get(scope)


class DirectoryStore:
    """Snapshots in a directory, shared by processes."""

    def __init__(self, root: Path) -> None:
        """`root` is made when it does not exist; raises OSError when that is not possible."""
        self._root = root
        self._snapshots = root / "snapshots"
        self._pointers = root / "current"
        for folder in (self._snapshots, self._pointers):
            folder.mkdir(parents=True, exist_ok=True)

    def publish(self, crl: VerifiedCrl) -> SnapshotInfo:
        """See `SnapshotStore.publish`. The slow part, building, happens before the lock is taken."""
        for scope in crl.scopes:
            follow(self.current(scope), crl)
        path = self._snapshots / f"{crl.sha256.hex()}.snapshot"
        if not path.exists():
            write_atomically(path, build_snapshot(crl))
        snapshot = open_snapshot(path)
        with self._locked():
            stored = {scope: self.current(scope) for scope in crl.scopes}
            for before in stored.values():
                follow(before, crl)  # again: another updater may have been quicker
            for scope, before in stored.items():
                self._point(scope, replace(before, crl, snapshot))
        return snapshot.info

    def current(self, scope: CrlScope) -> Current | None:
        """See `SnapshotStore.current`; raises RevocationDataError when a file is missing or broken."""
        try:
            return self._follow(self._pointer(scope))
        except FileNotFoundError:
            return None

    def version(self, scope: CrlScope) -> object:
        """See `SnapshotStore.version`: the pointer file's identity, one `stat`."""
        try:
            status = self._pointer(scope).stat()
        except FileNotFoundError:
            return None
        return (status.st_ino, status.st_mtime_ns)

    def all_current(self) -> Iterator[tuple[str, Current | RevocationDataError]]:
        """For every scope its pointer file and what is in use, or why that cannot be read; for the status report."""
        for path in sorted(self._pointers.glob("*.json")):
            try:
                yield path.name, self._follow(path)
            except RevocationDataError as error:
                yield path.name, error

    def _follow(self, pointer: Path) -> Current:
        """What a pointer file points to; FileNotFoundError when there is none."""
        raw = pointer.read_bytes()
        try:
            names = json.loads(raw)
            complete, delta = names["complete"], names["delta"]
        except (ValueError, TypeError, KeyError) as error:
            raise RevocationDataError("snapshot_unreadable", "a pointer file is damaged") from error
        return Current(self._open_one(complete), None if delta is None else self._open_one(delta))

    def _open_one(self, sha256: str) -> Snapshot:
        try:
            return open_snapshot(self._snapshots / f"{sha256}.snapshot")
        except FileNotFoundError as error:
            raise RevocationDataError("snapshot_unreadable", "a snapshot file is missing") from error

    def _pointer(self, scope: CrlScope) -> Path:
        return self._pointers / f"{scope.identifier}.json"

    def _point(self, scope: CrlScope, current: Current) -> None:
        """Write the pointer, unless it says so already: each start publishes its files, and a write is slow."""
        delta = None if current.delta is None else current.delta.info.sha256
        pointer = {"complete": current.complete.info.sha256, "delta": delta}
        path, data = self._pointer(scope), json.dumps(pointer).encode()
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` so that `path` is either what it was or complete, also after a power failure."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    _sync_directory(path.parent)


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
