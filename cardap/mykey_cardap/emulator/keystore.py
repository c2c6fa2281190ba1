"""The pre-generated keys of the emulator, looked up by name and decoded one at a time.

They are public on purpose, like everything in this package: whoever has the package has the keys. They are
made by `generate_keys.py`.
"""

from __future__ import annotations

import base64
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mykey_cardap.emulator.files import CardKey

EXPONENT: Final = 65537
CURVE: Final = ec.SECP384R1()
KEY_FILE: Final = "keys.txt"


class UnknownKeyError(LookupError):
    """The key file has no key of this name: run `python -m mykey_cardap.emulator.generate_keys`."""


@cache
def _lines() -> dict[str, tuple[str, str]]:
    """Name -> (algorithm, base64 of the secret); the secrets stay encoded until a key is asked for."""
    text = (files("mykey_cardap.emulator") / "data" / KEY_FILE).read_text(encoding="ascii")
    rows = (line.split(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: (algorithm, secret) for name, algorithm, secret in rows}


def names() -> list[str]:
    """Names of all keys, in the order of the file."""
    return list(_lines())


@lru_cache(maxsize=512)
def key(name: str) -> CardKey:
    """The private key `name`; `UnknownKeyError` when there is none."""
    try:
        algorithm, secret = _lines()[name]
    except KeyError:
        raise UnknownKeyError(f"no pre-generated key is called '{name}'") from None
    raw = base64.b64decode(secret)
    return _rsa_key(raw) if algorithm == "rsa" else ec.derive_private_key(int.from_bytes(raw, "big"), CURVE)


def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """The RSA-2048 key `name`; `UnknownKeyError` also when it is of another algorithm."""
    found = key(name)
    if not isinstance(found, rsa.RSAPrivateKey):
        raise UnknownKeyError(f"the key '{name}' is no RSA key")
    return found


def _rsa_key(raw: bytes) -> rsa.RSAPrivateKey:
    """The key of the primes p ‖ q (each half of `raw`); the rest is calculated, as it need not be stored."""
    half = len(raw) // 2
    p, q = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
    d = rsa.rsa_recover_private_exponent(EXPONENT, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(EXPONENT, p * q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)  # our own data, checked by a test
