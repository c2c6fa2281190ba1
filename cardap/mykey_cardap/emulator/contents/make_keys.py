"""Makes `data/keys.json`, the published test keys: `python -m mykey_cardap.emulator.contents.make_keys FILE`.

Run once by a developer; the emulator only reads the result. Every run gives new keys and so new signatures.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mykey_cardap.emulator.contents.keys import CARD_KEY_POOL, IssuerKeyName

_EXPONENT = 65_537
_BITS = 2048


def make_bundle() -> dict[str, str]:
    """New RSA-2048 keys by name, each as base64 of its unencrypted PKCS#8 DER."""
    names = [name.value for name in IssuerKeyName] + [f"card-{n:02d}" for n in range(CARD_KEY_POOL)]
    return {name: _new_key() for name in names}


def _new_key() -> str:
    key = rsa.generate_private_key(_EXPONENT, _BITS)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return base64.b64encode(der).decode("ascii")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(make_bundle(), indent=1) + "\n", "ascii")
