"""The debit keys of a terminal: what opens the debit role (K2) of one service on every card of the town.

A debit master key is derived from the town's master for one service and generation (`key_tree.debit_master`): it can
neither credit a card, nor seal a settlement, nor open another service. The file is private to the terminal's user.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mykey_cardap.globalplatform.keys import CardKeys
from mykey_cardap.service_application.key_tree import DEBIT_MASTER_SIZE, card_keys, debit_key
from mykey_cardap.service_application.numbers import Role
from mykey_cardap.service_application.profile import ServiceHeader
from mykey_terminal.errors import AgentError, StateError
from mykey_terminal.files import make_private_directory, read_private, write_private

_VERSION = 1


class DebitKeys(Protocol):
    """Where a terminal has its debit keys."""

    def key_set(self, header: ServiceHeader) -> CardKeys:
        """The debit key set of the card whose header this is.

        `AgentError`: `card_not_ours`, or `card_keys_unknown` for a service or generation without a key.
        """
        ...


@dataclass(frozen=True, slots=True)
class DebitKeyEntry:
    """One debit master key: for which town, service and generation."""

    issuer: int
    service: int
    generation: int
    key: bytes = field(repr=False)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> DebitKeyEntry:
        """Read an entry as `mykey keys debit-key` writes it; `ValueError` for anything else."""
        try:
            numbers = (int(entry["issuer"]), int(str(entry["service"]), 16), int(entry["generation"]))
            made = cls(*numbers, bytes.fromhex(entry["key"]))
        except (KeyError, TypeError) as error:
            raise ValueError("no debit key") from error
        if len(made.key) != DEBIT_MASTER_SIZE:
            raise ValueError("a debit master key has 32 bytes")
        return made

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        numbers = {"issuer": f"{self.issuer:06d}", "service": f"{self.service:04X}", "generation": self.generation}
        return {**numbers, "key": self.key.hex()}


class FileDebitKeys:
    """Debit keys in a file of the terminal's folder (mode 0600). `StateError` when it is damaged or open to others."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = self._read() if path.exists() else {}

    def __repr__(self) -> str:
        return f"<FileDebitKeys {sorted(self._entries)}>"

    @property
    def places(self) -> tuple[tuple[int, int, int], ...]:
        """(town, service, generation) of each key."""
        return tuple(sorted(self._entries))

    def add(self, entry: DebitKeyEntry) -> None:
        """Store one more; the same place is replaced."""
        make_private_directory(self._path.parent)
        entries = {**self._entries, (entry.issuer, entry.service, entry.generation): entry}
        content = {"version": _VERSION, "keys": [entries[place].as_json() for place in sorted(entries)]}
        write_private(self._path, json.dumps(content, indent=1).encode())
        self._entries = entries

    def key_set(self, header: ServiceHeader) -> CardKeys:
        """See `DebitKeys.key_set`."""
        generation = header.generations[Role.DEBIT]
        entry = self._entries.get((header.issuer, header.service, generation))
        if entry is None:
            own = any(issuer == header.issuer for issuer, _, _ in self._entries)
            raise AgentError("card_keys_unknown" if own or not self._entries else "card_not_ours", 409)
        place = {"issuer": header.issuer, "service": header.service, "generation": generation}
        return card_keys(debit_key(entry.key, **place, serial=header.serial))

    def _read(self) -> dict[tuple[int, int, int], DebitKeyEntry]:
        try:
            content = json.loads(read_private(self._path))
            entries = [DebitKeyEntry.from_json(entry) for entry in content["keys"]]
        except (ValueError, KeyError, TypeError) as error:
            raise StateError("does not hold debit keys", path=self._path) from error
        return {(entry.issuer, entry.service, entry.generation): entry for entry in entries}
