"""Secure messaging of the text AP: a session key under RSA-OAEP, then AES-128 over data fields.

It keeps 照合番号A, which is the 個人番号, off the interface; it authenticates nothing, as on the real card.
After soltia48/myna-card (`src/sm.rs`), which measured the order of checks and the counter on a card.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mykey_cardap.apdu import SW, CommandApdu, Ins
from mykey_cardap.emulator.application import Application, Commands, Handler
from mykey_cardap.emulator.commands.pins import verify
from mykey_cardap.emulator.commands.reading import read_binary
from mykey_cardap.emulator.contents.encode import ber
from mykey_cardap.emulator.status import Refused

PROTECTED: Final = 0x08
AUTHENTICATED: Final = 0x0C

_BLOCK: Final = 16
_DELIVERY: Final = bytes.fromhex("A0228020")
_SEED_SIZE: Final = 32
_CRYPTOGRAM: Final = 0x86
_EXPECTED_LENGTH: Final = b"\x96\x03\x00"
_PADDING_INDICATOR: Final = b"\x01"
_PADDING_START: Final = b"\x80"
_FID_SIZE: Final = 2
_SELECT_FILE: Final = (0x02, 0x0C)
_WHOLE_FILE: Final = 0xFFFF
_OAEP: Final = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class _BrokenError(Exception):
    """A protected command that is not what it should be: 6988, and the session key is gone."""


@dataclass(slots=True)
class Session:
    """An AES-128 session key and the number of the next protected command."""

    key: bytes = field(repr=False)
    counter: int = 1

    def next_cipher(self) -> Cipher[modes.CBC]:
        """The cipher of one command and its response; every call counts a command."""
        number = self.counter.to_bytes(_BLOCK, "big")
        self.counter += 1
        encryptor = Cipher(algorithms.AES(self.key), modes.CBC(bytes(_BLOCK))).encryptor()
        iv = encryptor.update(number) + encryptor.finalize()
        return Cipher(algorithms.AES(self.key), modes.CBC(iv))


@dataclass(slots=True)
class SecureApplication(Application):
    """An application with secure messaging: the session ends with the verified PINs, and by any mistake.

    `delivery_key` receives session keys; `delivery_pin` must have been verified in the clear before.
    """

    delivery_key: RSAPrivateKey = field(kw_only=True, repr=False)
    delivery_pin: str = field(kw_only=True)
    session: Session | None = field(default=None, init=False, repr=False)

    def clear(self) -> None:
        """Forget the current file, every verified PIN and the session key."""
        Application.clear(self)  # super() does not work in a slotted dataclass
        self.session = None


def set_session_key(application: Application, command: CommandApdu) -> bytes:
    """`80 AE 00 00 00 0100 …`: the access rule is checked before anything is decrypted."""
    target = _secure(application)
    if target.delivery_pin not in target.verified:
        raise Refused(SW.SECURITY_STATUS)
    if command.p1 or command.p2:
        raise Refused(SW.WRONG_P1_P2)
    seed = _delivered(target.delivery_key, command.data)
    target.session = Session(seed[:_BLOCK])
    return b""


def _delivered(key: RSAPrivateKey, cryptogram: bytes) -> bytes:
    if len(cryptogram) * 8 != key.key_size:
        raise Refused(SW.WRONG_LENGTH)
    if int.from_bytes(cryptogram, "big") >= key.public_key().public_numbers().n:
        raise Refused(SW.SELF_DIAGNOSIS)
    try:
        message = key.decrypt(cryptogram, _OAEP)
    except ValueError:
        raise Refused(SW.WRONG_DATA) from None
    if not message.startswith(_DELIVERY) or len(message) != len(_DELIVERY) + _SEED_SIZE:
        raise Refused(SW.WRONG_DATA)
    return message[len(_DELIVERY) :]


ProtectedHandler = Callable[[Application, CommandApdu, "Cipher[modes.CBC]"], bytes]


def _protected(handler: ProtectedHandler) -> Handler:
    def run(application: Application, command: CommandApdu) -> bytes:
        target = _secure(application)
        if target.session is None:
            raise Refused(SW.NO_SESSION_KEY)
        try:
            return handler(target, command, target.session.next_cipher())
        except _BrokenError:
            target.session = None
            raise Refused(SW.SM_OBJECT_WRONG) from None

    return run


def _verify(application: Application, command: CommandApdu, cipher: Cipher[modes.CBC]) -> bytes:
    value = _decrypted(cipher, command.data)
    return verify(application, CommandApdu(0, command.ins, command.p1, command.p2, value))


def _select_file(application: Application, command: CommandApdu, cipher: Cipher[modes.CBC]) -> bytes:
    identifier = _decrypted(cipher, command.data)
    if (command.p1, command.p2) != _SELECT_FILE:
        raise Refused(SW.WRONG_P1_P2)
    if len(identifier) != _FID_SIZE:
        raise Refused(SW.WRONG_LENGTH)
    file = application.files.get(int.from_bytes(identifier, "big"))
    if file is None:
        raise Refused(SW.FILE_NOT_FOUND)
    application.current = file
    return b""


def _read_binary(application: Application, command: CommandApdu, cipher: Cipher[modes.CBC]) -> bytes:
    """The wanted length is in the data object, 0 meaning to the end; the outer Le bounds the answer."""
    if not command.data.startswith(_EXPECTED_LENGTH) or len(command.data) != len(_EXPECTED_LENGTH) + 2:
        raise _BrokenError
    wanted = int.from_bytes(command.data[len(_EXPECTED_LENGTH) :], "big") or _WHOLE_FILE
    inner = CommandApdu(0, command.ins, command.p1, command.p2, le=wanted)
    answer = _encrypted(cipher, read_binary(application, inner))
    if command.le is None or len(answer) > command.le:
        raise Refused(SW.WRONG_LENGTH)
    return answer


def _refuse_authenticated(application: Application, command: CommandApdu) -> bytes:  # noqa: ARG001 - a handler
    """CLA 0C: no key for checksums can be delivered, so the objects it needs are always missing."""
    raise Refused(SW.SM_OBJECT_MISSING)


def _secure(application: Application) -> SecureApplication:
    if not isinstance(application, SecureApplication):
        raise Refused(SW.SECURE_MESSAGING_NOT_SUPPORTED)
    return application


def _decrypted(cipher: Cipher[modes.CBC], data: bytes) -> bytes:
    decryptor = cipher.decryptor()
    padded = decryptor.update(_ciphertext(data)) + decryptor.finalize()
    value, start, filler = padded.rpartition(_PADDING_START)
    if not start or filler.strip(b"\0") or len(filler) >= _BLOCK:
        raise _BrokenError
    return value


def _ciphertext(data: bytes) -> bytes:
    """The cryptogram of exactly one object `86 len 01 …`; its length may be one byte or `81 xx`."""
    header = 3 if data[1:2] == b"\x81" else 2
    value = data[header:]
    if data[:1] != bytes((_CRYPTOGRAM,)) or len(value) != int.from_bytes(data[header - 1 : header], "big"):
        raise _BrokenError
    if value[:1] != _PADDING_INDICATOR or len(value) == 1 or (len(value) - 1) % _BLOCK:
        raise _BrokenError
    return value[1:]


def _encrypted(cipher: Cipher[modes.CBC], plain: bytes) -> bytes:
    padded = plain + _PADDING_START
    padded += bytes(-len(padded) % _BLOCK)
    encryptor = cipher.encryptor()
    return ber(_CRYPTOGRAM, _PADDING_INDICATOR, encryptor.update(padded) + encryptor.finalize())


COMMANDS: Final[Commands] = {
    (0x80, Ins.SET_SESSION_KEY): set_session_key,
    (PROTECTED, Ins.VERIFY): _protected(_verify),
    (PROTECTED, Ins.SELECT): _protected(_select_file),
    (PROTECTED, Ins.READ_BINARY): _protected(_read_binary),
    **{(AUTHENTICATED, ins): _refuse_authenticated for ins in (Ins.VERIFY, Ins.SELECT, Ins.READ_BINARY)},
}
