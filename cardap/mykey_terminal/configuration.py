"""The configuration that the hub signs: which services, which cards are denied, and how old the news is.

It is checked against the key of the enrolment, kept on the disk, and never replaced by one with a lower number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from mykey_terminal.errors import ConfigurationRefusedError, HubAnswerError
from mykey_terminal.files import read_private, write_private

if TYPE_CHECKING:
    from mykey_terminal.enrolment import Enrolment, StateDirectory
    from mykey_terminal.hub import Hub

TYPE = "mykey-terminal-configuration+jwt"
ALGORITHM = "Ed25519"


class _Claims(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    aud: str
    sequence: int = Field(ge=1)
    as_of: AwareDatetime
    stale_at: AwareDatetime
    poll_seconds: int = Field(ge=1, le=3600)
    services: list[str]
    denied: list[str]


@dataclass(frozen=True, slots=True)
class TerminalConfiguration:
    """A configuration whose signature is good. `denied` are aliases of card slots."""

    sequence: int
    as_of: datetime
    stale_at: datetime
    poll_seconds: int
    services: frozenset[str]
    denied: frozenset[str]

    def denies(self, alias: str) -> bool:
        """Whether the card with this alias must be refused."""
        return alias in self.denied

    def is_stale(self, now: datetime) -> bool:
        """Whether the news is so old that people should be told."""
        return now >= self.stale_at


def verified(document: str, key: dict[str, str], terminal_id: str) -> TerminalConfiguration:
    """Read a JWS in compact form. Raises `ConfigurationRefusedError`: `signature`, `audience`, `form`."""
    try:
        token = jws.deserialize_compact(document, OKPKey.import_key(dict(key)), algorithms=[ALGORITHM])
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationRefusedError("signature") from error
    if token.headers().get("typ") != TYPE:
        raise ConfigurationRefusedError("form")
    try:
        claims = _Claims.model_validate_json(token.payload)
    except ValidationError:
        raise ConfigurationRefusedError("form") from None
    if claims.aud != terminal_id:
        raise ConfigurationRefusedError("audience")
    return TerminalConfiguration(
        claims.sequence,
        claims.as_of,
        claims.stale_at,
        claims.poll_seconds,
        frozenset(claims.services),
        frozenset(claims.denied),
    )


class ConfigurationStore:
    """The configuration of one terminal on its disk, and the key by which it is known."""

    def __init__(self, state: StateDirectory, enrolment: Enrolment) -> None:
        self._path: Path = state.configuration
        self._terminal_id = enrolment.terminal_id
        kept = self._kept()
        self._key: dict[str, str] | None = enrolment.configuration_key or kept.get("key")
        document = kept.get("configuration")
        self.current: TerminalConfiguration | None = None
        if self._key is not None and isinstance(document, str):
            self.current = verified(document, self._key, self._terminal_id)

    @property
    def sequence(self) -> int:
        """The number that the terminal works with; 0 before the first."""
        return 0 if self.current is None else self.current.sequence

    def take(self, document: str, key: dict[str, str]) -> TerminalConfiguration:
        """Check and keep a configuration. Raises `ConfigurationRefusedError`, also `rollback` for an older one."""
        trusted = self._key or key
        fresh = verified(document, trusted, self._terminal_id)
        known = self.current
        if known is not None and (fresh.sequence, fresh.as_of) < (known.sequence, known.as_of):
            raise ConfigurationRefusedError("rollback")
        write_private(self._path, json.dumps({"key": trusted, "configuration": document}).encode())
        self._key, self.current = trusted, fresh
        return fresh

    def fetch(self, hub: Hub) -> TerminalConfiguration:
        """Ask the hub and keep its answer. Raises `HubError` and `ConfigurationRefusedError`."""
        answer = hub.configuration()
        document, key = answer.get("configuration"), answer.get("key")
        if not isinstance(document, str) or not isinstance(key, dict):
            raise HubAnswerError("the hub's answer has no configuration")
        return self.take(document, key)

    def _kept(self) -> dict[str, Any]:
        if not self._path.exists():
            return {}
        try:
            kept = json.loads(read_private(self._path))
        except ValueError:
            raise ConfigurationRefusedError("form") from None
        return kept if isinstance(kept, dict) else {}
