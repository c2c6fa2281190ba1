"""Secure messaging of an open SCP03 session on the card: checks and decrypts commands, protects answers.

No state machine and no key sets; those are in `secure_channel.py`.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from mykey_cardap.apdu import SW, CommandApdu, ResponseApdu
from mykey_cardap.globalplatform.derivation import ScpMode, SessionKeys

_BLOCK: Final = 16
_C_ENC, _R_MAC, _R_ENC = 0x02, 0x10, 0x20
_SECURE_BIT: Final = 0x04
_ANSWER_COUNTER: Final = 1 << 127


class BrokenError(Exception):
    """A command whose protection is missing or wrong. Says no more on purpose: one answer for every fault."""


class CardMessaging:
    """Keys, chaining value and command counter of one session."""

    def __init__(self, keys: SessionKeys, *, mode: ScpMode, level: int) -> None:
        self.keys = keys
        self.level = level
        self._size = int(mode)
        self._link = bytes(_BLOCK)
        self._commands = 0
        cipher = Cipher(algorithms.AES(keys.enc), modes.CBC(bytes(_BLOCK)))
        self._cbc, self._back = cipher.encryptor(), cipher.decryptor()  # kept running: making them is what costs
        self._chain = 0
        self._c_mac, self._r_mac = CMAC(algorithms.AES(keys.mac)), CMAC(algorithms.AES(keys.rmac))

    def check_mac(self, command: CommandApdu) -> bytes:
        """The data field in front of a valid C-MAC, which becomes the next link. `BrokenError` otherwise."""
        if len(command.data) < self._size:
            raise BrokenError
        body, presented = command.data[: -self._size], command.data[-self._size :]
        lc = len(command.data).to_bytes(3 if command.extended else 1, "big")
        full = self._cmac(self._c_mac, command.header + lc + body)
        if not compare_digest(full[: self._size], presented):
            raise BrokenError
        self._link = full
        return body

    def unwrap(self, command: CommandApdu) -> CommandApdu:
        """The plain command: first the MAC, only then the decryption."""
        body = self.check_mac(command)
        self._commands += 1
        if body and self.level & _C_ENC:
            body = self._decrypted(body)
        cla = command.cla & ~_SECURE_BIT
        return CommandApdu(cla, command.ins, command.p1, command.p2, body, command.le, command.extended)

    def wrap(self, response: ResponseApdu) -> ResponseApdu:
        """The answer to the command that was unwrapped last."""
        if response.sw != SW.OK and response.sw >> 8 not in {0x62, 0x63}:
            return ResponseApdu(b"", response.sw)
        if not self.level & _R_MAC:
            return response
        data = response.data
        if data and self.level & _R_ENC:
            data = self._encrypted(data)
        mac = self._cmac(self._r_mac, data + response.sw.to_bytes(2, "big"))
        return ResponseApdu(data + mac[: self._size], response.sw)

    def _cmac(self, key: CMAC, message: bytes) -> bytes:
        context = key.copy()
        context.update(self._link + message)
        return context.finalize()

    def _decrypted(self, body: bytes) -> bytes:
        if len(body) % _BLOCK:
            raise BrokenError
        padded = self._back.update(self._iv(self._commands) + body)[_BLOCK:]
        end = padded.rfind(b"\x80", len(padded) - _BLOCK)
        if end < 0 or any(padded[end + 1 :]):
            raise BrokenError
        return padded[:end]

    def _encrypted(self, data: bytes) -> bytes:
        padded = data + b"\x80" + bytes((-len(data) - 1) % _BLOCK)
        self._iv(self._commands | _ANSWER_COUNTER)
        encrypted = self._cbc.update(padded)
        self._chain = int.from_bytes(encrypted[-_BLOCK:], "big")
        return encrypted

    def _iv(self, number: int) -> bytes:
        """AES-ECB of a counter: CBC with the chain taken out. What is encrypted next has it as its vector."""
        vector = self._cbc.update((number ^ self._chain).to_bytes(_BLOCK, "big"))
        self._chain = int.from_bytes(vector, "big")
        return vector
