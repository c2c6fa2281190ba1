"""A card's contents in a memory that can be torn: every commit is whole or did not happen.

How a record survives a cut is the business of `service_application/storage.py`; here is how contents are written.
"""

from __future__ import annotations

import json
from typing import Any, Final

from mykey_cardap.apdu import SW
from mykey_cardap.emulator.globalplatform.contents import CardContents, CardState, Instance, LoadFile, StoredKeys
from mykey_cardap.emulator.memory import Memory, MemoryFault
from mykey_cardap.emulator.service_application.storage import Record
from mykey_cardap.emulator.status import Refused

_LENGTH: Final = 4
_RECORD_KEY: Final = b"mykey-contents-1"
"""Of the CMAC that tells a whole bank from a torn one; a checksum, no secret."""


class StoredContents:
    """Contents in `memory` from `offset` on; `size` bytes are there for their encoding.

    Call `format` once in a card's life; `recover` runs at every power-up. A commit that does not fit is 6A84, one
    that the memory no longer takes is 6581.
    """

    def __init__(self, memory: Memory, *, offset: int = 0, size: int = 0x2000) -> None:
        self._record = Record(memory, offset, size, _RECORD_KEY)
        self._contents = CardContents()

    @staticmethod
    def space(size: int = 0x2000) -> int:
        """Bytes of memory that contents of `size` bytes take."""
        return Record.space(size)

    @property
    def contents(self) -> CardContents:
        """What was committed last."""
        return self._contents

    def format(self, contents: CardContents) -> None:
        """Begin a card's life."""
        self._record.format(self._padded(contents))
        self._contents = contents

    def recover(self) -> None:
        """Power-up: the contents are the old ones or the new ones of the last commit."""
        self._record.recover()
        self._contents = self._read()

    def commit(self, contents: CardContents) -> None:
        """Store all of it at once."""
        try:
            self._record.commit(self._padded(contents))
        except MemoryFault:
            self._contents = self._read()
            raise Refused(SW.MEMORY_FAILURE) from None
        self._contents = contents

    def _padded(self, contents: CardContents) -> bytes:
        body = encode(contents)
        if _LENGTH + len(body) > self._record.size:
            raise Refused(SW.NO_SPACE)
        return (len(body).to_bytes(_LENGTH, "big") + body).ljust(self._record.size, b"\0")

    def _read(self) -> CardContents:
        payload = self._record.payload
        return decode(payload[_LENGTH : _LENGTH + int.from_bytes(payload[:_LENGTH], "big")])


def encode(contents: CardContents) -> bytes:
    """Contents as JSON, the same bytes for the same contents. It holds keys."""
    document = {
        "state": int(contents.state),
        "capacity": contents.capacity,
        "keys": [_from_keys(keys) for keys in contents.keys],
        "load_files": [
            [file.aid.hex(), [aid.hex() for aid in file.modules], file.size] for file in contents.load_files
        ],
        "instances": [_from_instance(instance) for instance in contents.instances],
        "objects": {f"{tag:X}": value.hex() for tag, value in sorted(contents.objects.items())},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def decode(raw: bytes) -> CardContents:
    """The inverse of `encode`. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    document: dict[str, Any] = json.loads(raw)
    return CardContents(
        state=CardState(document["state"]),
        keys=tuple(_to_keys(keys) for keys in document["keys"]),
        load_files=tuple(
            LoadFile(bytes.fromhex(aid), tuple(map(bytes.fromhex, modules)), size)
            for aid, modules, size in document["load_files"]
        ),
        instances=tuple(_to_instance(fields) for fields in document["instances"]),
        objects={int(tag, 16): bytes.fromhex(value) for tag, value in document["objects"].items()},
        capacity=document["capacity"],
    )


def _from_load_file(file: LoadFile) -> list[Any]:
    return [file.aid.hex(), [aid.hex() for aid in file.modules], file.size]


def _from_keys(keys: StoredKeys) -> list[Any]:
    return [keys.version, {str(kid): value.hex() for kid, value in keys.keys.items()}, keys.counter, keys.failures]


def _to_keys(fields: list[Any]) -> StoredKeys:
    version, keys, counter, failures = fields
    return StoredKeys(version, {int(kid): bytes.fromhex(value) for kid, value in keys.items()}, counter, failures)


def _from_instance(found: Instance) -> list[Any]:
    parts = (found.aid, found.load_file, found.module, found.privileges, found.parameters)
    return [*(part.hex() for part in parts), found.state]


def _to_instance(fields: list[Any]) -> Instance:
    *parts, state = fields
    aid, load_file, module, privileges, parameters = map(bytes.fromhex, parts)
    return Instance(aid, load_file, module, privileges, parameters, state)
