"""PINs, try counters and the writable memory of one card in a file, so that they outlive power-off and the program.

The file is JSON and always whole: a new one is written beside it, flushed to the disk and renamed over it.
"""

from __future__ import annotations

import json
import os
import weakref
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from mykey_cardap.emulator.files import Pin
from mykey_cardap.emulator.memory import Image, Memory

FORMAT: Final = "mykey-card-state-1"


class CardStateError(Exception):
    """A state file that cannot be used: damaged, or of another card. The message says what to do."""


class CardInUseError(CardStateError):
    """The card is in another reader, perhaps of another program: two cards on one file would undo each other."""


class CardHold:
    """Holds the state file of a card for one reader, until `close` or the end of the program.

    Raises `CardInUseError` when another reader has it, and OSError when its folder cannot be used.
    """

    def __init__(self, path: Path) -> None:
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        self._release = weakref.finalize(self, os.close, handle)
        if not _lock(handle):
            self.close()
            raise CardInUseError(f"another program uses the state file {path}")

    def close(self) -> None:
        """Let others have the card."""
        self._release()


class CardState:
    """The PINs of a card, kept in `path`, or in memory only when it is None.

    `pins` has a stable key for each. An existing file is loaded, and every later change is stored before
    the card answers. `memory` is that of the service application, if the card has one: kept beside the PINs, weak
    bits included. `CardStateError` when the file is not one of this card.
    """

    def __init__(self, card: str, pins: Mapping[str, Pin], path: Path | None, memory: Memory | None = None) -> None:
        self.card = card
        self.path = path
        self._pins = pins
        self._memory = memory
        if path is None:
            return
        if path.exists():
            self._load(path)
        else:
            self.save()
        for pin in pins.values():
            pin.changed = self.save
        if memory is not None:
            memory.stored = self.save

    def save(self) -> None:
        """Write the file (nothing happens without one)."""
        if self.path is None:
            return
        pins = {key: _pin_to_json(pin) for key, pin in self._pins.items()}
        document: dict[str, Any] = {"format": FORMAT, "card": self.card, "pins": pins}
        if self._memory is not None:
            document["memory"] = _memory_to_json(self._memory)
        write_atomically(self.path, json.dumps(document, indent=1).encode())

    def _load(self, path: Path) -> None:
        advice = f"remove {path} to start with a fresh card"
        try:
            document = json.loads(path.read_bytes())
            if document["format"] != FORMAT or document["card"] != self.card:
                raise CardStateError(f"the state file belongs to another card or version; {advice}")
            for key, pin in self._pins.items():
                _pin_from_json(pin, document["pins"][key])
            if self._memory is not None and "memory" in document:
                _memory_from_json(self._memory, document["memory"])
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise CardStateError(f"the state file is damaged; {advice}") from error


def _lock(handle: int) -> bool:
    """Lock an open file; False when somebody else has it. On Windows nothing keeps two programs from one file."""
    try:
        import fcntl  # noqa: PLC0415 - Unix only
    except ImportError:  # pragma: no cover - Windows
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by a file of `content`: after a crash either the old or the new one is there, whole."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
        temporary = Path(stream.name)
        try:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    _flush_directory(path.parent)


def _flush_directory(directory: Path) -> None:
    """Make a rename durable; systems on which directories cannot be opened do it by themselves."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:  # pragma: no cover - Windows
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pin_to_json(pin: Pin) -> dict[str, Any]:
    value = None if pin.value is None else pin.value.decode("latin-1")
    return {"value": value, "remaining": pin.remaining}


def _pin_from_json(pin: Pin, fields: Mapping[str, Any]) -> None:
    value, remaining = fields["value"], fields["remaining"]
    if not isinstance(value, str | None) or not isinstance(remaining, int):
        raise TypeError
    if not 0 <= remaining <= pin.tries:
        raise ValueError(remaining)
    pin.value = None if value is None else value.encode("latin-1")
    pin.remaining = remaining


def _memory_to_json(memory: Memory) -> dict[str, Any]:
    image = memory.image()
    return {"content": b64encode(zlib.compress(image.content)).decode(), "weak": image.weak}


def _memory_from_json(memory: Memory, fields: Mapping[str, Any]) -> None:
    weak = tuple((int(place), int(mask) & 0xFF) for place, mask in fields["weak"])
    memory.restore(Image(zlib.decompress(b64decode(fields["content"], validate=True)), weak))
