"""The test keys behind the files of the text, face and common APs and the issuer security domain.

All of them are published in this package (`data/keys.json`) and protect nothing: a signature by one of them
says "emulated card". The keys of the JPKI application live elsewhere.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum, unique
from importlib import resources
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

CARD_KEY_POOL: Final = 24


@unique
class IssuerKeyName(StrEnum):
    """Keys on the issuer's side, one set for all emulated cards."""

    FACE_ROOT = "face-root"
    FACE_SIGNER = "face-signer"
    TEXT_ROOT = "text-root"
    TEXT_SIGNER = "text-signer"
    DOMAIN_ROOT = "domain-root"
    DOMAIN_INTERMEDIATE = "domain-intermediate"
    DOMAIN_LEAF = "domain-leaf"


@dataclass(frozen=True, slots=True)
class CardKeys:
    """The RSA-2048 keys inside one card outside the JPKI application.

    `face` is face EF 001A (public half in DF12, DF24 and DF42), `text` is text EF 0013 (public half in EF
    0007), `session` receives session keys (public half in text EF 0006), `internal` is common EF 0019.
    """

    face: RSAPrivateKey
    text: RSAPrivateKey
    session: RSAPrivateKey
    internal: RSAPrivateKey

    def __repr__(self) -> str:
        return "<CardKeys of an emulated card>"


@functools.cache
def issuer_key(name: IssuerKeyName) -> RSAPrivateKey:
    """One issuer key."""
    return _load(name.value)


@functools.cache
def card_keys(manufacture_serial: str) -> CardKeys:
    """The keys of the card with this serial: always the same four, all different within a card.

    They come from a pool of 24, so two cards out of many may share a key. `manufacture_serial` is any string.
    """
    start = int.from_bytes(hashlib.sha256(manufacture_serial.encode()).digest()[:4], "big")
    names = [f"card-{(start + step) % CARD_KEY_POOL:02d}" for step in range(4)]
    return CardKeys(*map(_load, names))


@functools.cache
def _load(name: str) -> RSAPrivateKey:
    # Validation of our own constant data costs 50 times the load.
    key = load_der_private_key(base64.b64decode(_bundle()[name]), password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError(f"the emulator's key {name} is not an RSA key")
    return key


@functools.cache
def _bundle() -> dict[str, str]:
    text = resources.files(__package__).joinpath("data", "keys.json").read_text("ascii")
    bundle: dict[str, str] = json.loads(text)
    return bundle
