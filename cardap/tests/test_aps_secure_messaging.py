"""Secure messaging of the text AP (reference §19), spoken by a client written for these tests only."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from mykey_cardap.emulator.aps.face import face_application
from mykey_cardap.emulator.aps.text import AID, text_application
from mykey_cardap.emulator.card import VirtualCard, by_aid

if TYPE_CHECKING:
    from mykey_cardap.emulator.contents.holder import CardHolder

SELECT_AP = b"\x00\xa4\x04\x0c\x0a" + AID
NUMBER_FILE = "ff100c353337363836363737313838ffff"
DELIVERY = bytes.fromhex("A0228020")
GONE = "69fc"


@dataclass
class Client:
    """The terminal's end of a session."""

    card: VirtualCard
    seed: bytes = field(default_factory=lambda: os.urandom(32))
    counter: int = 0

    def plain(self, command: str) -> str:
        """Send a command as it is."""
        return self.card.process(bytes.fromhex(command)).hex()

    def deliver(self, message: bytes | None = None) -> str:
        """Send the session key, or another message in its place."""
        record = self.card.process(bytes.fromhex("00B08600000200"))[:-2]
        key = RSAPublicNumbers(65537, int.from_bytes(record[-256:], "big")).public_key()
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        cryptogram = key.encrypt(message or DELIVERY + self.seed, oaep)
        return self.plain("80AE0000000100" + cryptogram.hex())

    def _cipher(self) -> Cipher[modes.CBC]:
        key = algorithms.AES(self.seed[:16])
        first = Cipher(key, modes.CBC(bytes(16))).encryptor()
        iv = first.update(self.counter.to_bytes(16, "big")) + first.finalize()
        return Cipher(key, modes.CBC(iv))

    def secure(self, header: str, value: bytes) -> str:
        """Send a command with an encrypted data field."""
        self.counter += 1
        padded = value + b"\x80"
        padded += bytes(-len(padded) % 16)
        encryptor = self._cipher().encryptor()
        data = b"\x01" + encryptor.update(padded) + encryptor.finalize()
        return self.plain(f"{header}{len(data) + 2:02X}86{len(data):02X}{data.hex()}")

    def read(self, offset: int = 0, length: int = 0) -> str:
        """Read the current file under encryption; the status word when it was refused."""
        self.counter += 1
        command = f"08B0{offset:04X}0000059603 00{length:04X}0000"
        answer = self.card.process(bytes.fromhex(command))
        if answer[-2:] != b"\x90\x00":
            return answer.hex()
        header = 2 + max(0, answer[1] - 0x80) if answer[1] & 0x80 else 2
        assert answer[0] == 0x86
        assert answer[header] == 0x01
        decryptor = self._cipher().decryptor()
        padded = decryptor.update(answer[header + 1 : -2]) + decryptor.finalize()
        return padded.rstrip(b"\0")[:-1].hex()


@pytest.fixture
def client(test_card_holder: CardHolder) -> Client:
    """The text AP selected, nothing verified."""
    applications = [text_application(test_card_holder, pin=b"1234"), face_application(test_card_holder)]
    card = VirtualCard(by_aid(applications))
    card.power_on()
    card.process(SELECT_AP)
    return Client(card)


@pytest.fixture
def session(client: Client) -> Client:
    """The same with the PIN verified and a session key delivered."""
    assert client.plain("0020009104" + b"1234".hex()) == "9000"
    assert client.deliver() == "9000"
    return client


def test_number_a_is_presented_and_the_number_read_under_encryption(session: Client) -> None:
    """The purpose of it all: neither A nor the number crosses the interface in the clear."""
    assert session.secure("08200094", b"537686677188") == "9000"
    assert session.secure("08A4020C", bytes.fromhex("0001")) == "9000"
    assert session.read() == NUMBER_FILE
    assert session.read(3, 4) == b"5376".hex()


def test_files_above_256_bytes_come_in_one_answer(session: Client) -> None:
    """The extended Le that the card's own survey used."""
    assert session.secure("08A4020C", bytes.fromhex("0004")) == "9000"
    assert len(bytes.fromhex(session.read())) == 568


@pytest.mark.parametrize("key", ["94", "95"])
def test_a_or_b_alone_do_not_allow_a_session(client: Client, key: str) -> None:
    """6982 before anything is decrypted, though EF 0006 is readable then."""
    value = {"94": b"537686677188", "95": b"55021720352285"}[key]
    assert client.plain(f"002000{key}{len(value):02X}{value.hex()}") == "9000"
    assert client.deliver() == "6982"


@pytest.mark.parametrize(
    "message", [bytes.fromhex("A0228120") + bytes(32), bytes.fromhex("A0228020") + bytes(31), b"x"]
)
def test_other_forms_of_key_are_refused(client: Client, message: bytes) -> None:
    """Only one encryption key of 32 bytes: 6A80, and there is no session."""
    client.plain("0020009104" + b"1234".hex())
    assert client.deliver(message) == "6a80"
    assert client.secure("08200091", b"1234") == GONE


def test_delivery_that_is_no_cryptogram(client: Client) -> None:
    """Not decryptable 6A80, not below the modulus 6F00, not 256 bytes 6700."""
    client.plain("0020009104" + b"1234".hex())
    assert client.plain("80AE0000000100" + "00" * 255 + "01") == "6a80"
    assert client.plain("80AE0000000100" + "ff" * 256) == "6f00"
    assert client.plain("80AE000010" + "00" * 16) == "6700"


def test_refused_commands_count_and_plain_ones_do_not(session: Client) -> None:
    """The next protected command works only if both sides counted alike."""
    assert session.secure("08200092", b"1234") == "6984"
    assert session.secure("08200094", b"000000000000") == "63c9"
    assert session.plain("00200094") == "63c9"
    assert session.secure("08A4020C", bytes.fromhex("0019")) == "6a82"
    assert session.secure("08A4020C", bytes.fromhex("0001")) == "9000"
    assert session.read() == NUMBER_FILE


def test_a_wrong_counter_ends_the_session(session: Client) -> None:
    """6988, then 69FC for ever; the card itself goes on."""
    session.counter += 1
    assert session.secure("08200094", b"537686677188") == "6988"
    assert session.secure("08200094", b"537686677188") == GONE
    assert session.plain("00200094") == "63ca"


@pytest.mark.parametrize(
    ("header", "data", "le"),
    [
        ("08200094", "9603000000", ""),  # the object of READ
        ("08200094", "861102" + "00" * 16, ""),  # padding indicator
        ("08200094", "871101" + "00" * 16, ""),  # another tag
        ("08200094", "861001" + "00" * 15, ""),  # not whole blocks
        ("08200094", "860101", ""),  # nothing inside
        ("08200094", "861101" + "00" * 16 + "9603000000", ""),  # a second object
        ("08A4020C", "861101" + "00" * 16 + "861101" + "00" * 16, ""),  # the same object twice
        ("08B00000", "861101" + "00" * 16, "00"),  # the object of VERIFY
        ("08B00000", "9602000000", "00"),
    ],
)
def test_any_mistake_ends_the_session(session: Client, header: str, data: str, le: str) -> None:
    """The data field must be exactly the one object that belongs to the command."""
    command = f"{header}{len(data) // 2:02X}{data}{le}"
    assert session.plain(command) == "6988"
    assert session.plain(command) == GONE


def test_a_command_without_object_ends_the_session(session: Client) -> None:
    """There is no protected question for the counter."""
    assert session.plain("08200094") == "6988"
    assert session.secure("08200094", b"537686677188") == GONE


def test_lengths_of_the_long_form_are_accepted(session: Client) -> None:
    """`86 81 11 01 …`, as measured."""
    session.counter += 1
    encryptor = session._cipher().encryptor()
    data = b"\x01" + encryptor.update(b"537686677188\x80\0\0\0") + encryptor.finalize()
    assert session.plain("08200094148681" + f"{len(data):02X}" + data.hex()) == "9000"


def test_authenticated_class_is_refused(session: Client) -> None:
    """CLA 0C needs a checksum key that cannot be delivered; the session survives."""
    assert session.plain("0C20009405 9603000000") == "6987"
    assert session.secure("08200094", b"537686677188") == "9000"


def test_session_ends_with_the_selection_and_with_the_power(session: Client) -> None:
    """Like a verified PIN."""
    session.card.process(SELECT_AP)
    assert session.secure("08200094", b"537686677188") == GONE
    session.plain("0020009104" + b"1234".hex())
    assert session.deliver() == "9000"
    session.card.power_on()
    session.card.process(SELECT_AP)
    assert session.secure("08200094", b"537686677188") == GONE


def test_other_applications_have_none(client: Client) -> None:
    """6882 where no secure messaging exists, and for commands that have no protected form."""
    assert client.plain("0884000000") == "6882"
    client.plain("00A4040C0AD3921000310001010402")
    assert client.plain("0820009305 9603000000") == "6882"


@given(noise=st.binary(min_size=1, max_size=60))
def test_noise_never_verifies(test_card_holder: CardHolder, noise: bytes) -> None:
    """Whatever arrives with CLA 08, the answer is a refusal of secure messaging and no try is spent."""
    card = VirtualCard(by_aid([text_application(test_card_holder, pin=b"1234")]))
    card.power_on()
    card.process(SELECT_AP)
    card.process(b"\x00\x20\x00\x91\x041234")
    assert Client(card).deliver() == "9000"
    answer = card.process(bytes((0x08, 0x20, 0, 0x94, len(noise))) + noise)
    assert answer.hex() == "6988"
    assert card.process(bytes.fromhex("00200094")).hex() == "63ca"
