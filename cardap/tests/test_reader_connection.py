"""The rules for sharing a card, against a PC/SC service that plays tricks (`pcsc-and-desktop` reference §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mykey_cardap.errors import (
    CardRemovedError,
    CardResetError,
    NoCardError,
    NoReaderError,
    PinError,
    ReaderBusyError,
    ReaderChoiceError,
    TransportError,
    WrongCardError,
)
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.pcsc import CardConnection, choose_reader, list_readers
from mykey_cardap.pcsc.codes import Code, check
from mykey_cardap.pcsc.culprits import likely_culprits
from mykey_cardap.pcsc.winscard import Disposition, ReaderState, Share, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mykey_cardap.transport import Transport

OK = b"\x90\x00"
RECORD = b"\x01\x1c4000000127198431322120350217"
OTHER_RECORD = b"\x01\x1c4000000999999991322120350217"
READER = "Reader 0"


class TrickyService:
    """A PC/SC service with one card that tells its common record and says yes to everything else.

    `tricks` maps a function's name to errors that it raises on its next calls (None: works).
    """

    name = "tricky"

    def __init__(self) -> None:
        self.record = RECORD
        self.calls: list[tuple[str, object]] = []
        self.tricks: dict[str, list[Code | None]] = {}
        self.states = [ReaderState(READER, State.PRESENT)]

    def _play(self, name: str, detail: object = None) -> None:
        self.calls.append((name, detail))
        queue = self.tricks.get(name, [])
        if queue and (code := queue.pop(0)) is not None:
            check(code)

    def establish_context(self) -> int:
        self._play("establish")
        return 1

    def release_context(self, context: int) -> None:
        self._play("release", context)

    def cancel(self, context: int) -> None:
        self._play("cancel", context)

    def list_readers(self, context: int) -> list[str]:
        self._play("list", context)
        return [state.reader for state in self.states]

    def connect(self, context: int, reader: str, share: Share) -> tuple[int, int]:
        self._play("connect", (context, reader, share))
        return 7, 2

    def disconnect(self, handle: int, disposition: Disposition) -> None:
        self._play("disconnect", disposition)
        assert handle == 7

    def begin_transaction(self, handle: int) -> None:
        self._play("begin", handle)

    def end_transaction(self, handle: int, disposition: Disposition) -> None:
        self._play("end", disposition)
        assert handle == 7

    def transmit(self, handle: int, protocol: int, command: bytes | bytearray) -> bytes:
        assert (handle, protocol) == (7, 2)
        self._play("transmit", bytes(command))
        return self.record + OK if command[1] == 0xB2 else b"\x63\xc3" if bytes(command) == b"\0\x20\0\x80" else OK

    def get_atr(self, handle: int) -> bytes:
        self._play("atr", handle)
        return b"\x3b\x00"

    def get_status_change(self, context: int, timeout_ms: int, known: Sequence[ReaderState]) -> list[ReaderState]:
        self._play("status", (context, timeout_ms))
        names = {state.reader for state in known}
        return [state for state in self.states if state.reader in names]

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def details(self, wanted: str) -> list[object]:
        return [detail for name, detail in self.calls if name == wanted]


@pytest.fixture
def service() -> TrickyService:
    """A service without tricks."""
    return TrickyService()


@pytest.fixture
def connection(service: TrickyService) -> CardConnection:
    """A connection that neither sleeps nor looks at processes."""
    return connect(service)


def connect(service: TrickyService, sleeps: list[float] | None = None) -> CardConnection:
    pauses = sleeps if sleeps is not None else []
    return CardConnection(service, READER, sleep=pauses.append, culprits=lambda: ("scdaemon",))


def read(transport: Transport) -> bytes:
    return transport.send_apdu(bytes.fromhex("00B0000001"))


def use_pin(transport: Transport) -> None:
    JpkiSession(transport).verify_pin("authentication", b"1234")


def test_an_operation_lies_in_one_transaction_and_leaves_the_card_as_it_is(
    service: TrickyService, connection: CardConnection
) -> None:
    """begin, commands, end with LEAVE; closing leaves the card too."""
    assert connection.perform(read) == OK
    connection.close()
    interesting = [name for name in service.names() if name in {"begin", "end", "disconnect"}]
    assert interesting == ["begin", "end", "disconnect"]
    assert service.details("end") == [Disposition.LEAVE]
    assert service.details("disconnect") == [Disposition.LEAVE]


def test_after_a_pin_the_card_is_powered_off_inside_the_transaction(
    service: TrickyService, connection: CardConnection
) -> None:
    """Otherwise any process could use what the PIN opened; closing later disturbs nobody."""
    connection.perform(use_pin)
    connection.close()
    assert service.details("end") == [Disposition.UNPOWER]
    assert service.details("disconnect") == [Disposition.LEAVE]


def test_a_failed_operation_after_a_pin_powers_off_as_well(service: TrickyService, connection: CardConnection) -> None:
    """An error of the operation itself does not leave the PIN open."""

    def fails(transport: Transport) -> None:
        use_pin(transport)
        raise PinError("test", 0x63C2, pin="authentication", attempts_remaining=2)

    with pytest.raises(PinError):
        connection.perform(fails)
    assert service.details("end") == [Disposition.UNPOWER]


def test_a_reset_before_any_pin_begins_the_operation_again(service: TrickyService, connection: CardConnection) -> None:
    """From the first command, in a new transaction, with a new handle."""
    service.tricks = {"transmit": [None, None, Code.RESET_CARD], "begin": [None, Code.RESET_CARD]}
    assert connection.perform(read) == OK
    assert service.names().count("connect") == 2
    assert service.names().count("begin") == 3


def test_a_reset_after_a_pin_never_repeats_it(service: TrickyService, connection: CardConnection) -> None:
    """`CardResetError`, and VERIFY was sent once."""

    def sign(transport: Transport) -> None:
        use_pin(transport)
        service.tricks = {"transmit": [Code.RESET_CARD]}
        read(transport)

    with pytest.raises(CardResetError):
        connection.perform(sign)
    sent = [command for command in service.details("transmit") if isinstance(command, bytes)]
    verifies = [command for command in sent if command[1] == 0x20 and len(command) > 5]
    assert len(verifies) == 1


def test_endless_resets_end(service: TrickyService, connection: CardConnection) -> None:
    """A card that is reset again and again gives an error, not a loop."""
    service.tricks = {"transmit": [Code.RESET_CARD] * 100}
    with pytest.raises(CardResetError):
        connection.perform(read)
    assert service.names().count("begin") == 4


@pytest.mark.parametrize("code", [Code.NOT_TRANSACTED, Code.REMOVED_CARD])
def test_a_card_that_leaves_costs_the_handle(service: TrickyService, connection: CardConnection, code: Code) -> None:
    """The operation fails once, nothing is repeated; the next one connects anew."""
    service.tricks = {"transmit": [None, None, code]}
    with pytest.raises(CardRemovedError):
        connection.perform(read)
    assert service.names().count("connect") == 1
    assert connection.perform(read) == OK
    assert service.names().count("connect") == 2


def test_another_card_is_not_taken_for_the_first(service: TrickyService, connection: CardConnection) -> None:
    """Even when the old handle works again without any error."""
    connection.perform(read)
    service.record = OTHER_RECORD
    with pytest.raises(WrongCardError):
        connection.perform(read)
    service.record = RECORD
    assert connection.perform(read) == OK


def test_a_busy_card_is_tried_a_few_times_and_the_culprit_named(service: TrickyService) -> None:
    """Four tries with pauses between them; then `ReaderBusyError` with the likely programs."""
    sleeps: list[float] = []
    service.tricks = {"connect": [Code.SHARING_VIOLATION] * 4}
    with pytest.raises(ReaderBusyError) as caught:
        connect(service, sleeps)
    assert caught.value.culprits == ("scdaemon",)
    assert len(sleeps) == 3
    assert service.names()[-1] == "release"
    service.tricks = {"connect": [Code.SHARING_VIOLATION] * 3}
    connect(service)


def test_an_empty_reader(service: TrickyService) -> None:
    """`NoCardError`, and the context is given back."""
    service.tricks = {"connect": [Code.NO_SMARTCARD]}
    with pytest.raises(NoCardError):
        connect(service)
    assert service.names()[-1] == "release"


def test_a_card_without_any_identity_is_used_once(service: TrickyService, connection: CardConnection) -> None:
    """What cannot be told apart from another card is refused the second time."""
    service.record = b"\x01\x02no"
    answer: Callable[[Transport], bytes] = read

    class Silent(TrickyService):
        def transmit(self, handle: int, protocol: int, command: bytes | bytearray) -> bytes:
            super().transmit(handle, protocol, command)
            return b"\x6a\x82" if command[1] == 0xA4 else OK

    silent = connect(Silent())
    assert silent.perform(answer) == OK
    with pytest.raises(WrongCardError):
        silent.perform(answer)
    connection.close()


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_a_typed_error(code: Code) -> None:
    """SUCCESS is none; all others are transport errors that carry their code, signed or unsigned."""
    if code is Code.SUCCESS:
        check(code)
        return
    for value in (int(code), int(code) - (1 << 32)):
        with pytest.raises(TransportError) as caught:
            check(value)
        assert caught.value.code == code


# -- choosing a reader ----------------------------------------------------------------------------------------


def test_the_only_reader_with_a_card_is_chosen(service: TrickyService) -> None:
    """Empty readers do not matter."""
    service.states = [ReaderState("A 0", State.EMPTY), ReaderState("B 0", State.PRESENT)]
    assert choose_reader(None, service) == "B 0"
    assert [reader.card_present for reader in list_readers(service)] == [False, True]


def test_several_cards_need_a_choice(service: TrickyService) -> None:
    """The error names the candidates; part of a name is enough when it is unique."""
    service.states = [ReaderState(name, State.PRESENT) for name in ("ACS 00 00", "Sony 00 00", "Sony 00 01")]
    with pytest.raises(ReaderChoiceError) as caught:
        choose_reader(None, service)
    assert len(caught.value.readers) == 3
    assert choose_reader("acs", service) == "ACS 00 00"
    assert choose_reader("Sony 00 01", service) == "Sony 00 01"
    with pytest.raises(ReaderChoiceError) as caught:
        choose_reader("Sony", service)
    assert caught.value.readers == ("Sony 00 00", "Sony 00 01")


def test_no_reader_and_no_card(service: TrickyService) -> None:
    """Two different errors, because two different things help; a mute card is no card."""
    service.states = [ReaderState("A", State.EMPTY), ReaderState("B", State.PRESENT | State.MUTE)]
    with pytest.raises(NoCardError):
        choose_reader(None, service)
    service.states = []
    with pytest.raises(NoReaderError):
        choose_reader(None, service)


# -- culprits -------------------------------------------------------------------------------------------------


def test_likely_culprits_are_found_by_name_and_by_library(tmp_path: Path) -> None:
    """GnuPG's scdaemon by its name, a browser by the PKCS#11 module it has loaded; not pcscd, not a bystander."""
    for pid, name, library in (
        ("10", "scdaemon", ""),
        ("11", "firefox", "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"),
        ("12", "chromium", "/usr/lib/libc.so"),
        ("13", "pcscd", "/usr/lib/libpcsclite.so.1"),
    ):
        process = tmp_path / pid
        process.mkdir()
        (process / "comm").write_text(name + "\n")
        (process / "maps").write_text(f"7f00-7f01 r-xp 00000000 00:00 0 {library}\n")
    (tmp_path / "14").mkdir()
    assert likely_culprits(tmp_path) == ("firefox", "scdaemon")
    assert likely_culprits(tmp_path / "nowhere") == ()
