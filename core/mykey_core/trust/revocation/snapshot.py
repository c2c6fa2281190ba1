"""A snapshot: one verified CRL turned into an immutable file that every worker maps and none parses again.

Layout of a file: magic, length of the header, JSON header (what the CRL said, and the index's layout), index.
Which snapshot is the present one is told by `store`; whether it is fresh enough is told by `answers`.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from mykey_core.trust.errors import RevocationDataError
from mykey_core.trust.revocation.crl import VerifiedCrl, entries
from mykey_core.trust.revocation.index import Layout, build_index
from mykey_core.trust.revocation.lookup import SerialIndex
from mykey_core.trust.revocation.scope import CrlScope

MAGIC: Final = b"mykeycrl1\n"
_LENGTH: Final = struct.Struct("<I")
_ALIGNMENT: Final = 8
_MAP_FROM: Final = 65_536  # smaller files are read: a mapping each would use up the file descriptors


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """What a snapshot knows of its CRL. `sha256` is that of the CRL in hexadecimal, sizes are in bytes."""

    sha256: str
    issuer_key: str
    distribution_points: tuple[str | None, ...]
    this_update: datetime
    next_update: datetime
    number: int | None
    base_number: int | None
    crl_bytes: int

    @classmethod
    def of(cls, crl: VerifiedCrl) -> SnapshotInfo:
        """The facts of a verified CRL; byte strings become hexadecimal."""
        return cls(
            sha256=crl.sha256.hex(),
            issuer_key=crl.issuer_key.hex(),
            distribution_points=tuple(point if point is None else point.hex() for point in crl.distribution_points),
            this_update=crl.this_update,
            next_update=crl.next_update,
            number=crl.number,
            base_number=crl.base_number,
            crl_bytes=crl.size,
        )

    @property
    def scopes(self) -> tuple[CrlScope, ...]:
        """The lines of CRLs that this snapshot answers for."""
        key = bytes.fromhex(self.issuer_key)
        return tuple(
            CrlScope(key, point if point is None else bytes.fromhex(point)) for point in self.distribution_points
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; instants in ISO 8601. CRL numbers are text: they may exceed 2^53."""
        return {
            "sha256": self.sha256,
            "issuer_key": self.issuer_key,
            "distribution_points": list(self.distribution_points),
            "this_update": self.this_update.isoformat(),
            "next_update": self.next_update.isoformat(),
            "number": None if self.number is None else str(self.number),
            "base_number": None if self.base_number is None else str(self.base_number),
            "crl_bytes": self.crl_bytes,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> SnapshotInfo:
        """Read what `to_json` wrote; raises KeyError, TypeError or ValueError on anything else."""
        number, base = fields["number"], fields["base_number"]
        return cls(
            sha256=fields["sha256"],
            issuer_key=fields["issuer_key"],
            distribution_points=tuple(fields["distribution_points"]),
            this_update=datetime.fromisoformat(fields["this_update"]),
            next_update=datetime.fromisoformat(fields["next_update"]),
            number=None if number is None else int(number),
            base_number=None if base is None else int(base),
            crl_bytes=fields["crl_bytes"],
        )


class Snapshot:
    """The revoked serials of one CRL, exact.

    `is_revoked(serial: int) -> bool` is the hot path; `find(serial)` also tells the reason code.
    """

    __slots__ = ("_index", "count", "find", "index_bytes", "info", "is_revoked")

    def __init__(self, info: SnapshotInfo, layout: Layout, buffer: memoryview) -> None:
        """`buffer` holds the index; `open_snapshot` and `snapshot_of` make it."""
        self._index = index = SerialIndex(layout, buffer)
        self.info = info
        self.count = layout.count
        self.index_bytes = layout.length
        self.is_revoked = index.is_revoked
        self.find = index.find

    def warm_like(self, other: Snapshot) -> Iterator[None]:
        """Make ready, step by step, what `other` has in use."""
        return self._index.warm_like(other._index)


def build_snapshot(crl: VerifiedCrl) -> bytes:
    """The bytes of the snapshot file of a verified CRL; raises RevocationDataError on a bad entry."""
    layout, index = build_index(entries(crl.crl))
    header = json.dumps({"crl": SnapshotInfo.of(crl).to_json(), "index": layout.to_json()}).encode()
    padding = -(len(MAGIC) + _LENGTH.size + len(header)) % _ALIGNMENT
    header += b" " * padding
    return b"".join((MAGIC, _LENGTH.pack(len(header)), header, index))


def snapshot_of(data: bytes | mmap.mmap) -> Snapshot:
    """Open the bytes of a snapshot file in place.

    Raises:
        RevocationDataError: `snapshot_unreadable` when they are no complete snapshot of this version.
    """
    view = memoryview(data)
    begin = len(MAGIC) + _LENGTH.size
    try:
        if bytes(view[: len(MAGIC)]) != MAGIC:
            raise ValueError("wrong magic")
        end = begin + _LENGTH.unpack(view[len(MAGIC) : begin])[0]
        header = json.loads(bytes(view[begin:end]))
        return Snapshot(SnapshotInfo.from_json(header["crl"]), Layout.from_json(header["index"]), view[end:])
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise RevocationDataError("snapshot_unreadable", "delete it and fetch the CRL again") from error


def open_snapshot(path: Path) -> Snapshot:
    """Map the snapshot file `path`; raises RevocationDataError as `snapshot_of`, or OSError."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < _MAP_FROM:
            return snapshot_of(file.read())
        return snapshot_of(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
