"""The host's side of secure messaging: what SCP03 does to one command and to its answer. No input or output.

The handshake that makes the keys is in `handshake.py`, sending in `scp03.py`.
Source: GlobalPlatform Card Specification, Amendment D 1.2, sections 6.2.4 to 6.2.7.
"""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum, unique
from hmac import compare_digest
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from mykey_cardap.apdu import SHORT_MAX_DATA, SHORT_MAX_RESPONSE, SW, CommandApdu, ResponseApdu
from mykey_cardap.globalplatform.class_bytes import authenticated_class, check_plain_class, class_byte
from mykey_cardap.globalplatform.derivation import ScpMode, SessionKeys
from mykey_cardap.globalplatform.errors import ResponseProtectionError, SecureChannelUseError

MAX_DATA: Final = 0xFFFF
_BLOCK: Final = 16
_PADDING_START: Final = 0x80
_RESPONSE_BIT: Final = 0x80 << 8 * (_BLOCK - 1)
_WARNINGS: Final = frozenset({0x62, 0x63})


@unique
class SecurityLevel(IntEnum):
    """What EXTERNAL AUTHENTICATE asks for; only these six exist (Amendment D, table 7-3)."""

    AUTHENTICATED = 0x00
    C_MAC = 0x01
    C_MAC_C_ENC = 0x03
    C_MAC_R_MAC = 0x11
    C_MAC_C_ENC_R_MAC = 0x13
    FULL = 0x33

    @property
    def has_command_mac(self) -> bool:
        """Whether commands carry a MAC."""
        return bool(self & 0x01)

    @property
    def has_command_encryption(self) -> bool:
        """Whether command data are encrypted."""
        return bool(self & 0x02)

    @property
    def has_response_mac(self) -> bool:
        """Whether answers carry a MAC."""
        return bool(self & 0x10)

    @property
    def has_response_encryption(self) -> bool:
        """Whether answer data are encrypted."""
        return bool(self & 0x20)


class HostMessaging:
    """The state of one secure channel: keys, chaining value and encryption counter.

    `wrap` and `unwrap` are called in turns, once each per command. The full 16-byte MAC of EXTERNAL AUTHENTICATE
    is the first chaining value; before it the value is zero.
    """

    def __init__(self, keys: SessionKeys, *, mode: ScpMode, level: SecurityLevel, channel: int = 0) -> None:
        self.mode = mode
        self.level = level
        self.channel = channel
        self._mac_commands, self._encrypt_commands = level.has_command_mac, level.has_command_encryption
        self._mac_answers, self._encrypt_answers = level.has_response_mac, level.has_response_encryption
        self._keys = keys
        self._chaining = bytes(_BLOCK)
        self._counter = 0
        cipher = Cipher(algorithms.AES(keys.enc), modes.CBC(bytes(_BLOCK)))
        self._encryptor, self._decryptor = cipher.encryptor(), cipher.decryptor()
        self._last = bytes(_BLOCK)
        self._command_mac = CMAC(algorithms.AES(keys.mac))
        self._response_mac = CMAC(algorithms.AES(keys.rmac))

    def __repr__(self) -> str:
        return f"<HostMessaging level={self.level:02X} channel={self.channel}>"

    def close(self) -> None:
        """Overwrite the session keys."""
        self._keys.wipe()

    def authenticate(self, command: CommandApdu) -> CommandApdu:
        """Put the MAC under EXTERNAL AUTHENTICATE, whatever the level; it is the first link of the chain."""
        return self._with_mac(command, command.data)

    def max_command_data(self) -> int:
        """The longest data field that still makes one short APDU (reference: table of S8 and S16)."""
        if not self._mac_commands:
            return SHORT_MAX_DATA
        room = SHORT_MAX_DATA - self.mode
        return room // _BLOCK * _BLOCK - 1 if self._encrypt_commands else room

    def wrap(self, command: CommandApdu) -> CommandApdu:
        """Protect a plain command. The result may be longer than a short APDU holds: then it is sent in parts."""
        check_plain_class(command.cla, self.channel)
        if not self._mac_commands:
            return replace(command, cla=class_byte(command.cla, self.channel))
        size = (len(command.data) // _BLOCK + 1) * _BLOCK if self._encrypt_commands else len(command.data)
        if size + self.mode > MAX_DATA:
            raise SecureChannelUseError("the command is too long to be protected")
        self._counter += 1
        return self._with_mac(command, self._encrypted(command.data))

    def unwrap(self, response: ResponseApdu) -> ResponseApdu:
        """Check and decrypt the answer to the command that was wrapped last.

        Data in front of an error status are protected by nothing and are dropped.
        Raises `ResponseProtectionError`, after which the channel must not be used any more.
        """
        if response.sw != SW.OK and response.sw >> 8 not in _WARNINGS:
            return ResponseApdu(b"", response.sw)
        if not self._mac_answers:
            return response
        data, mac = response.data[: -self.mode], response.data[-self.mode :]
        expected = self._mac(self._response_mac, data, response.sw.to_bytes(2, "big"))[: self.mode]
        if not compare_digest(expected, mac):
            raise ResponseProtectionError("the answer has no valid MAC; the channel is closed")
        return ResponseApdu(self._decrypted(data), response.sw)

    # -- commands -----------------------------------------------------------------------------------------

    def _with_mac(self, command: CommandApdu, data: bytes) -> CommandApdu:
        length = len(data) + self.mode
        extended = command.extended or length > SHORT_MAX_DATA or (command.le or 0) > SHORT_MAX_RESPONSE
        header = bytes((authenticated_class(command.cla), command.ins, command.p1, command.p2))
        self._chaining = self._mac(self._command_mac, header, _encode_length(length, extended=extended), data)
        cla = class_byte(command.cla, self.channel, secure=True)
        protected = data + self._chaining[: self.mode]
        return CommandApdu(cla, command.ins, command.p1, command.p2, protected, command.le, extended)

    def _encrypted(self, plain: bytes) -> bytes:
        """Data are encrypted; nothing stays nothing (the counter has moved all the same)."""
        if not plain or not self._encrypt_commands:
            return plain
        padded = plain + bytes((_PADDING_START,))
        padded += bytes(-len(padded) % _BLOCK)
        return self._chained(self._counter, padded)[_BLOCK:]

    # -- answers ------------------------------------------------------------------------------------------

    def _decrypted(self, data: bytes) -> bytes:
        if not data or not self._encrypt_answers:
            return data
        if len(data) % _BLOCK:
            raise ResponseProtectionError("the answer is not whole blocks; the channel is closed")
        vector = self._chained(self._counter | _RESPONSE_BIT)
        padded = self._decryptor.update(vector + data)[_BLOCK:]
        plain = padded.rstrip(b"\x00")
        if plain[-1:] != bytes((_PADDING_START,)) or len(padded) - len(plain) >= _BLOCK:
            raise ResponseProtectionError("the answer's padding is not valid; the channel is closed")
        return plain[:-1]

    # -- both ---------------------------------------------------------------------------------------------

    def _chained(self, number: int, padded: bytes = b"") -> bytes:
        """The vector, AES-ECB of `number`, and behind it `padded` in AES-CBC with that vector.

        One running CBC context does it all, because making one costs more than using it: the block that is put in
        first cancels what the chain would add, so its cipher text is the vector, and that chains into the data.
        """
        first = number ^ int.from_bytes(self._last, "big")
        chained = self._encryptor.update(first.to_bytes(_BLOCK, "big") + padded)
        self._last = chained[-_BLOCK:]
        return chained

    def _mac(self, key: CMAC, *parts: bytes) -> bytes:
        """The full CMAC over the chaining value and `parts`."""
        mac = key.copy()
        mac.update(self._chaining)
        for part in parts:
            mac.update(part)
        return mac.finalize()


def _encode_length(length: int, *, extended: bool) -> bytes:
    return b"\x00" + length.to_bytes(2, "big") if extended else bytes((length,))
