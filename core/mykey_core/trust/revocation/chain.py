"""Several sources in an order: the next is asked only when one cannot answer, and 'revoked' is final.

Final also over time: what a source has once called revoked or held stays so, although a source that is behind
(yesterday's CRL while today's responder is down) would still call it good.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from mykey_core.trust.errors import RevocationUnavailable
from mykey_core.trust.revocation.sources import (
    NO_GRACE,
    Attempt,
    GraceSource,
    RevocationUnknown,
    SourcesExhausted,
)
from mykey_core.trust.revocation.store import write_atomically
from mykey_core.trust.types import RevocationAnswer, RevocationState, ValidatedCertificate


class RevokedMemory(Protocol):
    """Remembers who was revoked. Certificates are named by their fingerprint (32 bytes)."""

    def recall(self, fingerprint: bytes) -> RevocationAnswer | None:
        """The answer that said revoked or held, or None."""
        ...

    def keep(self, fingerprint: bytes, answer: RevocationAnswer) -> None:
        """Remember an answer that says revoked or held."""
        ...


class ProcessMemory:
    """Remembers for as long as this process lives."""

    def __init__(self) -> None:
        self._answers: dict[bytes, RevocationAnswer] = {}

    def recall(self, fingerprint: bytes) -> RevocationAnswer | None:
        """See `RevokedMemory.recall`."""
        return self._answers.get(fingerprint)

    def keep(self, fingerprint: bytes, answer: RevocationAnswer) -> None:
        """See `RevokedMemory.keep`."""
        self._answers[fingerprint] = answer


class DirectoryMemory:
    """Remembers in a directory, for all workers and across restarts: one small file for each revoked card tapped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def recall(self, fingerprint: bytes) -> RevocationAnswer | None:
        """See `RevokedMemory.recall`. A file that cannot be read still says revoked."""
        try:
            fields = json.loads(self._path(fingerprint).read_bytes())
            return RevocationAnswer(
                state=RevocationState(fields["state"]),
                source=fields["source"],
                this_update=datetime.fromisoformat(fields["this_update"]),
                next_update=None,
                reason=fields["reason"],
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RevocationUnavailable("revoked_memory_unreadable", "a remembered revocation is damaged") from error

    def keep(self, fingerprint: bytes, answer: RevocationAnswer) -> None:
        """See `RevokedMemory.keep`."""
        fields = {
            "state": answer.state,
            "source": answer.source,
            "this_update": answer.this_update.isoformat(),
            "reason": answer.reason,
        }
        write_atomically(self._path(fingerprint), json.dumps(fields).encode())

    def _path(self, fingerprint: bytes) -> Path:
        return self._folder / f"{fingerprint.hex()}.json"


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A source of a chain with the name that attempts and the status report use."""

    name: str
    source: GraceSource


class FallbackChain:
    """A `RevocationSource` made of others, asked in order until one answers."""

    def __init__(
        self,
        sources: Iterable[NamedSource],
        *,
        memory: RevokedMemory | None = None,
        unknown_falls_back: bool = False,
    ) -> None:
        """`unknown_falls_back`: whether the next source is asked after `unknown`, instead of refusing."""
        self._sources = tuple(sources)
        self._memory = memory or ProcessMemory()
        self._unknown_falls_back = unknown_falls_back

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """Ask the sources in order; raises as the last resort SourcesExhausted with every attempt."""
        return self.check_within(certificate, now, NO_GRACE)

    def check_within(self, certificate: ValidatedCertificate, now: datetime, grace: timedelta) -> RevocationAnswer:
        """First everybody without grace; only when nobody answers fresh, those that may answer from old data."""
        remembered = self._memory.recall(certificate.fingerprint)
        if remembered is not None:
            return replace(remembered, source=f"remembered:{remembered.source}")
        attempts: list[Attempt] = []
        answer = self._first(attempts, lambda source: source.check(certificate, now))
        if answer is None and grace > NO_GRACE:
            answer = self._first(attempts, lambda source: source.check_within(certificate, now, grace))
        if answer is None:
            raise SourcesExhausted(tuple(attempts))
        if answer.state is not RevocationState.GOOD:
            self._memory.keep(certificate.fingerprint, answer)
        return answer

    def _first(
        self, attempts: list[Attempt], ask: Callable[[GraceSource], RevocationAnswer]
    ) -> RevocationAnswer | None:
        """The first answer; whatever it says is final. What failed is added to `attempts`."""
        for named in self._sources:
            try:
                return ask(named.source)
            except RevocationUnknown as error:
                if not self._unknown_falls_back:
                    raise
                attempts.append(Attempt(named.name, error.code))
            except SourcesExhausted as error:
                attempts.extend(error.attempts)
            except RevocationUnavailable as error:
                attempts.append(Attempt(named.name, error.code))
        return None
