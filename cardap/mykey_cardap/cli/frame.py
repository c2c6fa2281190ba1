"""What every `mykey card` command shares: the way to a card, asking for a PIN, errors as sentences, exit codes.

The commands themselves are one module each.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from enum import IntEnum, unique
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import click

from mykey_cardap.cli.wording import Language, Words, language_of_environment
from mykey_cardap.errors import (
    ApduError,
    BadCardDataError,
    CardError,
    IssuerSignatureError,
    LastAttemptError,
    PinBlockedError,
    PinError,
    PinFormatError,
    PinName,
    TransportError,
)
from mykey_cardap.pcsc import open_card
from mykey_cardap.session import wipe

if TYPE_CHECKING:
    from mykey_cardap.session import PinStatus
    from mykey_cardap.transport import Transport

T = TypeVar("T")


@unique
class ExitCode(IntEnum):
    """Exit codes of the card commands; 0 is success and 2 a wrong command line (click)."""

    OTHER = 1
    NO_CARD = 3
    WRONG_PIN = 4
    BLOCKED = 5
    NOT_ASKED = 6
    BAD_DATA = 7


_EXIT_CODES: tuple[tuple[tuple[type[CardError], ...], ExitCode], ...] = (
    ((TransportError,), ExitCode.NO_CARD),
    ((PinError,), ExitCode.WRONG_PIN),
    ((PinBlockedError,), ExitCode.BLOCKED),
    ((LastAttemptError, PinFormatError), ExitCode.NOT_ASKED),
    ((BadCardDataError, IssuerSignatureError), ExitCode.BAD_DATA),
)


class Card(Protocol):
    """A card that operations can be performed on, in a reader or in this process."""

    def perform(self, operation: Callable[[Transport], T]) -> T:
        """Run an operation that begins with a SELECT."""
        ...


class _VirtualCard:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def perform(self, operation: Callable[[Transport], T]) -> T:
        return operation(self._transport)


@dataclass(frozen=True, slots=True)
class Frame:
    """The options that every card command has, and the words of the chosen language."""

    words: Words
    reader: str | None
    persona: str | None
    state: Path | None
    as_json: bool

    @contextmanager
    def card(self) -> Iterator[Card]:
        """Open the card in the reader, or the virtual one."""
        if self.persona is None:
            with open_card(self.reader) as connection:
                yield connection
            return
        with _insert_virtual(self.persona, self.state, self.words) as transport:
            yield _VirtualCard(transport)

    def say(self, key: str, **values: object) -> None:
        """Print a sentence as part of the answer."""
        click.echo(self.words(key, **values))

    def note(self, key: str, **values: object) -> None:
        """Print a sentence about progress, on standard error; programs (`--json`) get none."""
        if not self.as_json:
            click.echo(self.words(key, **values), err=True)

    def answer(self, content: dict[str, object]) -> None:
        """Print an answer for programs."""
        click.echo(json.dumps(content, ensure_ascii=False, indent=2))

    def tell_status(self, pin: PinName, status: PinStatus) -> str:
        """How many tries of a PIN are left, in words."""
        if status.blocked:
            left = self.words("blocked")
        elif status.attempts_remaining is None:
            left = self.words("tries-unknown")
        else:
            left = self.words("tries", count=status.attempts_remaining)
        return f"{self.words(f'pin-{pin}')}: {left}"

    def ask_pin(self, pin: PinName, *, key: str = "ask", from_stdin: bool) -> bytearray:
        """Ask for a PIN with hidden input, or take the next line of standard input. Overwrite it after use."""
        if from_stdin:
            line = bytearray(sys.stdin.buffer.readline())
            value = bytearray(line.rstrip(b"\r\n"))
            wipe(line)
            if not value:
                raise click.UsageError(self.words.refusal("no-pin-on-stdin"))
            return value
        prompt = self.words(key, pin=self.words(f"pin-{pin}"))
        return bytearray(click.prompt(prompt, hide_input=True, err=True).encode())


@contextmanager
def _insert_virtual(persona: str, state: Path | None, words: Words) -> Iterator[Transport]:
    # Imported on use: a desk that reads real cards never loads the emulator and its keys.
    from mykey_cardap.emulator.cards import make_card  # noqa: PLC0415 - see above
    from mykey_cardap.emulator.in_process import InProcessTransport  # noqa: PLC0415 - see above
    from mykey_cardap.emulator.personas import UnknownPersonaError  # noqa: PLC0415 - see above
    from mykey_cardap.emulator.state import CardHold, CardInUseError  # noqa: PLC0415 - see above

    try:
        with closing(CardHold(state)) if state else nullcontext():
            card = make_card(persona, state=state)
            with InProcessTransport(card) as transport:
                yield transport
    except UnknownPersonaError as error:
        raise click.UsageError(words.refusal("unknown-persona")) from error
    except CardInUseError as error:
        raise click.UsageError(str(error)) from error


def card_command(function: Callable[..., None]) -> Callable[..., None]:
    """Add the shared options to a command, hand it a `Frame` first, and turn card errors into sentences."""

    @click.option("--reader", metavar="NAME", help="Reader to use (part of its name is enough).")
    @click.option("--virtual", "--persona", "persona", metavar="PERSONA", help="A virtual card instead of a reader.")
    @click.option(
        "--state",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File that keeps the PINs and counters of the virtual card.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Answer for programs.")
    @click.option("--lang", type=click.Choice(["ja", "en"]), help="Language (default: the locale's).")
    @functools.wraps(function)
    def command(
        *, reader: str | None, persona: str | None, state: Path | None, as_json: bool, lang: str | None, **rest: Any
    ) -> None:
        words = Words(cast("Language", lang) if lang else language_of_environment())
        frame = Frame(words, reader, persona, state, as_json)
        try:
            function(frame, **rest)
        except CardError as error:
            _fail(frame, error)

    return command


def _fail(frame: Frame, error: CardError) -> None:
    code = next((code for kinds, code in _EXIT_CODES if isinstance(error, kinds)), ExitCode.OTHER)
    sentence = frame.words.of_error(error)
    if frame.as_json:
        frame.answer({"error": {"code": type(error).__name__, "message": sentence, **_fields(error)}})
    else:
        click.echo(sentence, err=True)
    sys.exit(code)


def _fields(error: CardError) -> dict[str, object]:
    names = ("pin", "attempts_remaining", "readers", "culprits", "operation")
    fields = {name: getattr(error, name) for name in names if hasattr(error, name)}
    return fields | ({"sw": f"{error.sw:04X}"} if isinstance(error, ApduError) else {})
