"""The simplest source: signed CRL files that somebody puts into a directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final, Protocol

from mykey_cardap.kinds import CertificateKind
from mykey_core.errors import ConfigurationError
from mykey_core.trust.errors import RevocationDataError
from mykey_core.trust.revocation.answers import SnapshotSource
from mykey_core.trust.revocation.crl import MAX_CRL_BYTES, VerifiedCrl, verify_crl
from mykey_core.trust.revocation.store import DirectoryStore, MemoryStore, SnapshotStore
from mykey_core.trust.types import CaCertificate, RevocationAnswer, ValidatedCertificate

_PATTERNS: Final = ("*.crl", "*.der", "*.pem")


class PinnedIssuers(Protocol):
    """The part of the trust store that CRLs need."""

    def issuers(self, kind: CertificateKind) -> Iterable[CaCertificate]:
        """The pinned CA certificates of one kind."""
        ...


def all_issuers(store: PinnedIssuers) -> tuple[CaCertificate, ...]:
    """Every pinned CA certificate, of both kinds."""
    return tuple(chain.from_iterable(store.issuers(kind) for kind in CertificateKind))


class CrlFileSource:
    """A `RevocationSource` over CRL files (DER or PEM).

    Files are verified and taken in when the source is made and on `refresh()`; a file that must not be used
    is listed in `problems` under its name with the code of the refusal, and the older CRL stays in use.
    """

    def __init__(
        self,
        files: Path | Sequence[Path],
        *,
        store: PinnedIssuers,
        snapshots: Path | None = None,
        max_bytes: int = MAX_CRL_BYTES,
    ) -> None:
        """`files` is a directory (read anew on `refresh`) or a list of files.

        `snapshots` is a directory that keeps the verified state across restarts and shares it between
        processes; without it the state is this process's own.

        Raises:
            ConfigurationError: `files` is a directory that does not exist.
        """
        if isinstance(files, Path) and not files.is_dir():
            raise ConfigurationError("revocation.directory", f"'{files}' is no directory: create it")
        self._files = files
        self._issuers = store
        self._max_bytes = max_bytes
        self._store: SnapshotStore = MemoryStore() if snapshots is None else DirectoryStore(snapshots)
        self.answers = SnapshotSource(self._store, name="crl-file")
        self._seen: dict[Path, tuple[int, int, int]] = {}
        self.problems: dict[str, str] = {}
        self.refresh()

    def refresh(self) -> None:
        """Take in files that are new or changed since the last time."""
        changed = [path for path in self._paths() if self._has_changed(path)]
        verified = [(path.name, crl) for path in changed if (crl := self._verify(path)) is not None]
        for name, crl in sorted(verified, key=lambda pair: (pair[1].base_number is not None, pair[1].this_update)):
            self._publish(name, crl)

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """See `RevocationSource.check`."""
        return self.answers.check(certificate, now)

    def check_within(self, certificate: ValidatedCertificate, now: datetime, grace: timedelta) -> RevocationAnswer:
        """See `SnapshotSource.check_within`."""
        return self.answers.check_within(certificate, now, grace)

    def _paths(self) -> Iterator[Path]:
        if not isinstance(self._files, Path):
            yield from self._files
            return
        for pattern in _PATTERNS:
            yield from sorted(self._files.glob(pattern))

    def _has_changed(self, path: Path) -> bool:
        try:
            status = path.stat()
        except OSError:
            self.problems[path.name] = "crl_file_missing"
            return False
        identity = (status.st_ino, status.st_mtime_ns, status.st_size)
        if self._seen.get(path) == identity:
            return False
        self._seen[path] = identity
        return True

    def _verify(self, path: Path) -> VerifiedCrl | None:
        try:
            data = _read(path, self._max_bytes)
            return verify_crl(data, all_issuers(self._issuers), max_bytes=self._max_bytes)
        except RevocationDataError as error:
            self.problems[path.name] = error.code
        except OSError:
            self.problems[path.name] = "crl_file_missing"
        return None

    def _publish(self, name: str, crl: VerifiedCrl) -> None:
        try:
            self._store.publish(crl)
        except RevocationDataError as error:
            self.problems[name] = error.code
        else:
            self.problems.pop(name, None)


def _read(path: Path, max_bytes: int) -> bytes:
    if path.stat().st_size > max_bytes:
        raise RevocationDataError("crl_too_large", f"at most {max_bytes} bytes are taken")
    return path.read_bytes()
