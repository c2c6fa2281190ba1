"""The declarative table behind every message: a class lists its fixed part and fields, this module reads and writes.

Which messages there are stands in `requests` and `responses`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, TypeVar, dataclass_transform

from mykey_library.sip2.charset import Charset, compose
from mykey_library.sip2.errors import BadValue, FixedPartTooShort, MissingField, UnencodableIdentifier, UnknownMessage
from mykey_library.sip2.framing import Envelope
from mykey_library.sip2.values import FixedValue

DELIMITER = "|"
ESCAPED_DELIMITER = "&#124;"  # as Koha writes it
_PRIVATE = frozenset({"AA", "AC", "AD", "AE", "BD", "BE", "BF", "CO", "CY", "DA"})  # never in a repr, so in no log
IDENTIFIERS = frozenset({"AA", "AB", "BK", "CN", "CO", "AD", "CG"})  # a replaced character would be another one


def fixed(value: FixedValue, default: Any = MISSING) -> Any:
    """A value of the fixed part, in the order of declaration."""
    return field(metadata={"fixed": value}, **({} if default is MISSING else {"default": default}))


def required(letters: str) -> Any:
    """A field without which the message is not accepted; it may be empty."""
    return field(metadata={"letters": letters, "required": True}, repr=letters not in _PRIVATE)


def expected(letters: str) -> Any:
    """A field that the specification requires and real systems leave out: always sent, read as empty when missing."""
    return field(default="", metadata={"letters": letters, "expected": True}, repr=letters not in _PRIVATE)


def optional(letters: str) -> Any:
    """A field that may be there: None when it is not."""
    return field(default=None, metadata={"letters": letters}, repr=letters not in _PRIVATE)


def repeated(letters: str) -> Any:
    """A field that may be there several times: a tuple."""
    return field(default=(), metadata={"letters": letters, "repeated": True})


def extensions() -> Any:
    """The fields that no table names, in their order."""
    return field(default=(), metadata={"extensions": True})


@dataclass(frozen=True, slots=True)
class _Layout:
    """The table of one message, ready for use."""

    fixed: tuple[tuple[str, FixedValue], ...]
    single: dict[str, str]  # letters -> attribute
    repeated: dict[str, str]
    required: frozenset[str]
    expected: frozenset[str]
    order: tuple[str, ...]
    extensions: str | None

    @property
    def fixed_length(self) -> int:
        return sum(value.length for _, value in self.fixed)


def _layout(cls: Any) -> _Layout:
    named = [entry for entry in fields(cls) if "letters" in entry.metadata]
    return _Layout(
        tuple((entry.name, entry.metadata["fixed"]) for entry in fields(cls) if "fixed" in entry.metadata),
        {entry.metadata["letters"]: entry.name for entry in named if not entry.metadata.get("repeated")},
        {entry.metadata["letters"]: entry.name for entry in named if entry.metadata.get("repeated")},
        frozenset(entry.metadata["letters"] for entry in named if entry.metadata.get("required")),
        frozenset(entry.metadata["letters"] for entry in named if entry.metadata.get("expected")),
        tuple(entry.metadata["letters"] for entry in named),
        next((entry.name for entry in fields(cls) if "extensions" in entry.metadata), None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The root of all messages; `message_id` is its two digits."""

    message_id: ClassVar[str]


_M = TypeVar("_M", bound=Message)
_registry: dict[str, type[Message]] = {}
_layouts: dict[str, _Layout] = {}


@dataclass_transform(frozen_default=True, kw_only_default=True)
def message(message_id: str) -> Callable[[type[_M]], type[_M]]:
    """Make a frozen, slotted dataclass of the table and register it under its two digits."""

    def register(cls: type[_M]) -> type[_M]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        made.message_id = message_id
        _registry[message_id] = made
        _layouts[message_id] = _layout(made)
        return made

    return register


def message_class(message_id: str) -> type[Message]:
    """The class of two digits; `UnknownMessage` when there is none."""
    try:
        return _registry[message_id]
    except KeyError:
        raise UnknownMessage(message_id) from None


@dataclass(frozen=True, slots=True)
class Codec:
    """How one side of a connection writes and reads text.

    `composed` joins combining marks on receipt, `unescape` turns `&#124;` back into a bar: both for a client. A server
    leaves what it receives as it is, for it echoes it. `leave_out_empty` does not send expected fields that are empty.
    """

    charset: Charset = Charset.UTF_8
    composed: bool = False
    unescape: bool = False
    leave_out_empty: bool = False

    def decode(self, envelope: Envelope) -> Message:
        """The message in `envelope`; a `MessageError` when it does not follow its table."""
        text = self.charset.decode(envelope.body)
        cls = message_class(text[:2])
        layout = _layouts[cls.message_id]
        start = 2 + layout.fixed_length
        if len(text) < start:
            raise FixedPartTooShort(cls.message_id)
        values = _read_fixed(cls.message_id, layout, text[2:start])
        values |= self._read_fields(cls.message_id, layout, text[start:])
        return cls(**values)

    def encode(self, message: Message) -> bytes:
        """The bytes of `message` without trailer and terminator; `UnencodableIdentifier` for a number that is lost."""
        layout = _layouts[message.message_id]
        start = "".join(value.write(getattr(message, name)) for name, value in layout.fixed)
        parts = [(message.message_id + start).encode("ascii", "replace")]
        parts += [self._field(letters, value) for letters, value in self._values(layout, message)]
        return b"".join(parts)

    def _values(self, layout: _Layout, message: Message) -> list[tuple[str, str]]:
        pairs: list[tuple[str, str]] = []
        for letters in layout.order:
            if letters in layout.repeated:
                pairs += [(letters, value) for value in getattr(message, layout.repeated[letters])]
                continue
            value = getattr(message, layout.single[letters])
            if value is None or (self.leave_out_empty and not value and letters in layout.expected):
                continue
            pairs.append((letters, value))
        return [*pairs, *(getattr(message, layout.extensions) if layout.extensions else ())]

    def _field(self, letters: str, value: str) -> bytes:
        if letters in IDENTIFIERS and not self.charset.can_encode(value):
            raise UnencodableIdentifier(letters)
        clean = value.replace(DELIMITER, ESCAPED_DELIMITER).replace("\r", " ").replace("\n", " ")
        return letters.encode("ascii", "replace") + self.charset.encode(clean) + b"|"

    def _read_fields(self, message_id: str, layout: _Layout, text: str) -> dict[str, Any]:
        single: dict[str, str] = {}
        many: dict[str, list[str]] = defaultdict(list)
        unknown: list[tuple[str, str]] = []
        for part in text.split(DELIMITER):
            letters, value = part[:2], self._received(part[2:])
            if letters in layout.single:
                single.setdefault(layout.single[letters], value)  # given twice: never the second one
            elif letters in layout.repeated:
                many[layout.repeated[letters]].append(value)
            elif part:
                unknown.append((letters, value))
        for letters in layout.required:
            if layout.single[letters] not in single:
                raise MissingField(message_id, letters)
        values: dict[str, Any] = single | {name: tuple(entries) for name, entries in many.items()}
        if layout.extensions and unknown:
            values[layout.extensions] = tuple(unknown)
        return values

    def _received(self, value: str) -> str:
        value = compose(value) if self.composed else value
        return value.replace(ESCAPED_DELIMITER, DELIMITER) if self.unescape else value


def _read_fixed(message_id: str, layout: _Layout, text: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    start = 0
    for name, value in layout.fixed:
        piece = text[start : start + value.length]
        start += value.length
        try:
            values[name] = value.read(piece)
        except ValueError:
            raise BadValue(message_id, name) from None
    return values
