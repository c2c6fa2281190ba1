"""Make the keys that the key file lacks: `python -m mykey_cardap.emulator.generate_keys`.

Keys that are there stay as they are, because certificates and recorded signatures depend on them. A new
persona needs one run of this; so does a new purpose in `_purposes`. The keys of the other applications are
the business of `contents/keys.py`.
"""

from __future__ import annotations

import base64
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mykey_cardap.emulator.keystore import CURVE, EXPONENT, KEY_FILE

_DATA: Final = Path(__file__).parent / "data"
_BITS: Final = 2048
_SPARE: Final = 12
_HEADER: Final = (
    "# Keys of the card emulator: NAME ALGORITHM SECRET. Public on purpose; never use them for anything real.\n"
    "# rsa: base64 of the primes p and q (e = 65537); p384: base64 of the private scalar.\n"
)
_KINDS: Final = ("authentication", "signature")


def _purposes() -> Iterator[tuple[str, str]]:
    """(name, algorithm) of every key that the emulator uses."""
    for kind in _KINDS:
        yield from ((f"ca/{kind}/{generation}", "rsa") for generation in (1, 2, 3))
        yield f"ca/{kind}/4", "p384"
        yield from ((f"ca/{kind}/{false}", "rsa") for false in ("forged", "unknown"))
        yield f"ocsp/{kind}", "rsa"
    for persona, fields in tomllib.loads((_DATA / "personas.toml").read_text("utf-8"))["personas"].items():
        next_generation = fields.get("card") == "next-generation"
        yield from ((f"persona/{persona}/{kind}", "p384" if next_generation else "rsa") for kind in _KINDS)
    yield from ((f"spare/rsa/{number}", "rsa") for number in range(1, _SPARE + 1))
    yield from ((f"spare/p384/{number}", "p384") for number in range(1, 5))


def _secret(algorithm: str) -> bytes:
    if algorithm == "p384":
        return ec.generate_private_key(CURVE).private_numbers().private_value.to_bytes(48, "big")
    numbers = rsa.generate_private_key(EXPONENT, _BITS).private_numbers()
    return b"".join(prime.to_bytes(_BITS // 16, "big") for prime in (numbers.p, numbers.q))


def main() -> None:
    """Append what is missing, one line a key."""
    path = _DATA / KEY_FILE
    text = path.read_text("ascii") if path.exists() else _HEADER
    present = {line.split(" ")[0] for line in text.splitlines()}
    with path.open("w", encoding="ascii") as stream:
        stream.write(text)
        for name, algorithm in _purposes():
            if name not in present:
                stream.write(f"{name} {algorithm} {base64.b64encode(_secret(algorithm)).decode()}\n")
                sys.stdout.write(f"made {name}\n")


if __name__ == "__main__":
    main()
