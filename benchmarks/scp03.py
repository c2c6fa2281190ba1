"""What SCP03 costs beside its cryptography: `python benchmarks/scp03.py [--count N]`.

For each security level: microseconds to protect one command of 200 bytes and to check its answer, beside the same
cipher and MAC calls alone (the floor), in the same run. Then the opening of a channel, and complete
personalisations of a card in process. Target: protecting costs at most twice the floor.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from mykey_cardap.apdu import CommandApdu, ResponseApdu
from mykey_cardap.emulator.globalplatform.card_messaging import CardMessaging
from mykey_cardap.emulator.globalplatform.cards import DEFAULT_KEY, make_open_card
from mykey_cardap.emulator.in_process import InProcessTransport
from mykey_cardap.globalplatform.derivation import ScpMode, SessionKeys, session_keys
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.messaging import HostMessaging, SecurityLevel
from mykey_cardap.globalplatform.security_domain import SecurityDomainSession

TARGET_RATIO: Final = 2.0
ROUNDS: Final = 7
SIZE: Final = 200
COMMAND: Final = CommandApdu(0x80, 0xE2, 0x90, 0x00, bytes(SIZE))
KEYS: Final = ScpKeys(DEFAULT_KEY, DEFAULT_KEY, DEFAULT_KEY)


def microseconds(action: Callable[[], object], count: int) -> float:
    """Median over the rounds of microseconds per call."""

    def one_round() -> float:
        start = time.perf_counter()
        for _ in range(count):
            action()
        return (time.perf_counter() - start) / count * 1e6

    return statistics.median(one_round() for _ in range(ROUNDS))


def fresh_keys() -> SessionKeys:
    """Session keys of nobody."""
    return session_keys(DEFAULT_KEY, DEFAULT_KEY, bytes(range(16)))


class Floor:
    """The bare calls of the cryptographic library that one direction of one level cannot do without."""

    def __init__(self, *, encrypted: bool) -> None:
        key = algorithms.AES(DEFAULT_KEY)
        self._key, self._encrypted = key, encrypted
        self._mac = CMAC(key)
        self._ecb = Cipher(key, modes.ECB()).encryptor()  # noqa: S305 - the vector of CBC
        self._plain = bytes((SIZE // 16 + 1) * 16)

    def __call__(self) -> bytes:
        """One vector, one CBC and one CMAC over what they made, or the CMAC alone."""
        data = self._plain
        if self._encrypted:
            encryptor = Cipher(self._key, modes.CBC(self._ecb.update(data[:16]))).encryptor()
            data = encryptor.update(data) + encryptor.finalize()
        mac = self._mac.copy()
        mac.update(data)
        return mac.finalize()


def protecting(level: SecurityLevel, count: int) -> tuple[float, float]:
    """Microseconds of `wrap` and of its floor, in turns so that both meet the same machine."""
    host = HostMessaging(fresh_keys(), mode=ScpMode.S8, level=level)
    floor = Floor(encrypted=level.has_command_encryption)
    pairs = [(microseconds(lambda: host.wrap(COMMAND), count), microseconds(floor, count)) for _ in range(3)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def whole_exchange(level: SecurityLevel, count: int) -> float:
    """Microseconds of one protected command and answer through both roles."""
    host = HostMessaging(fresh_keys(), mode=ScpMode.S8, level=level)
    card = CardMessaging(fresh_keys(), mode=ScpMode.S8, level=level)
    answer = ResponseApdu(bytes(SIZE), 0x9000)

    def exchange() -> None:
        card.unwrap(host.wrap(COMMAND))
        host.unwrap(card.wrap(answer))

    return microseconds(exchange, count)


def personalisation() -> None:
    """A fresh card: open at level 33, eight STORE DATA of 200 bytes, PUT KEY of a set."""
    session = SecurityDomainSession(InProcessTransport(make_open_card()))
    session.authenticate(KEYS)
    for number in range(8):
        session.store_data(b"\x45\x81\xc5" + bytes((number,)) * 197)
    session.put_keys(KEYS, version=0x31, replaces=0x30)


def main() -> int:
    """Print the table and the verdict; 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3_000, help="APDUs a round")
    count: int = parser.parse_args().count
    print(f"{count} APDUs of {SIZE} bytes a round, median of {ROUNDS}")
    print(f"{'level':<22}{'wrap':>10}{'floor':>10}{'ratio':>8}{'both roles, both ways':>24}")
    ratios = []
    for level in (SecurityLevel.C_MAC, SecurityLevel.C_MAC_C_ENC, SecurityLevel.FULL):
        wrap, floor = protecting(level, count)
        ratios.append(wrap / floor)
        print(
            f"{level.name:<22}{wrap:>7.1f} µs{floor:>7.1f} µs{ratios[-1]:>8.2f}{whole_exchange(level, count):>21.1f} µs"
        )
    card = make_open_card()
    opening = microseconds(lambda: SecurityDomainSession(InProcessTransport(card)).authenticate(KEYS), count // 30)
    whole = microseconds(personalisation, count // 60)
    print(f"SELECT and opening of a channel, both roles: {opening:.0f} µs")
    print(f"personalisation of a fresh card, both roles: {whole:.0f} µs = {1e6 / whole:,.0f} cards/s on one processor")
    good = ratios[-1] <= TARGET_RATIO
    print(f"target: level 33 at most {TARGET_RATIO} times the floor: {'met' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
