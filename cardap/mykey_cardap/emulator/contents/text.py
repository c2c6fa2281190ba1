"""Contents of the text AP (券面事項入力補助AP): number, basic four, digests, keys.

Layouts after soltia48/myna-card (`src/ap/text.rs`) and jpki/myna; EF 0001 and 0002 reproduce the published
test card byte for byte. Which PIN opens which file is in `mykey_cardap.emulator.aps.text`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from mykey_cardap.emulator.contents.encode import ber, ber_with_offsets
from mykey_cardap.emulator.contents.keys import CardKeys, IssuerKeyName, issuer_key
from mykey_cardap.emulator.contents.signing import CvKey, RecordIssuer, key_id, public_key_objects

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from mykey_cardap.emulator.contents.holder import CardHolder

UNKNOWN_FILE: Final = b"\xff" * 16
_FILLER: Final = b"\xff\xff"
_AP_VERSION: Final = bytes.fromhex("01030e01")
_AP_KEY_ID: Final = key_id("9000034")
_UNKNOWN_BLOCK_SIZE: Final = 128


def record_issuer(holder: CardHolder) -> RecordIssuer:
    """Who signs this AP's records. Ids begin with 9: real cards use 5, the public test cards 6."""
    signer_id = key_id(f"9{holder.municipality_code_on_card}3")
    return RecordIssuer(
        root=CvKey(key_id("9000033"), issuer_key(IssuerKeyName.TEXT_ROOT)),
        signer=CvKey(signer_id, issuer_key(IssuerKeyName.TEXT_SIGNER)),
    )


def number_file(holder: CardHolder) -> bytes:
    """EF 0001: `FF10 0C`, twelve digits, and the two bytes of filler that the digest of EF 0003 covers."""
    return ber(0xFF10, holder.number_a.encode("ascii")) + _FILLER


def attributes_file(holder: CardHolder) -> bytes:
    """EF 0002: offset table, name, address, birth date and sex (基本4情報)."""
    return ber_with_offsets(0xFF20, 0xDF21, _attributes(holder))


def _attributes(holder: CardHolder) -> list[bytes]:
    return [
        ber(0xDF22, holder.name_on_card.encode()),
        ber(0xDF23, holder.address.encode()),
        ber(0xDF24, f"{holder.birth_date:%Y%m%d}".encode("ascii")),
        ber(0xDF25, holder.sex.value.encode("ascii")),
    ]


def digests_file(holder: CardHolder, signer: CvKey) -> bytes:
    """EF 0003: SHA-256 of all 17 bytes of EF 0001 and of EF 0002 after its offset table, both signed."""
    number_digest = hashlib.sha256(number_file(holder)).digest()
    attributes_digest = hashlib.sha256(b"".join(_attributes(holder))).digest()
    signed = ber(0xDF31, number_digest) + ber(0xDF32, attributes_digest)
    return ber(0xFF30, signed, ber(0xDF33, signer.sign(signed)))


def ap_info_file(holder: CardHolder) -> bytes:
    """EF 0005: version, a key id, and 128 bytes of unknown meaning (32 opaque ones, then FF)."""
    opaque = hashlib.sha256(b"text-ap-df43" + holder.manufacture_serial.encode("ascii")).digest()
    block = opaque.ljust(_UNKNOWN_BLOCK_SIZE, b"\xff")
    return ber(0xFF40, ber(0xDF41, _AP_VERSION), ber(0xDF42, _AP_KEY_ID), ber(0xDF43, block))


def session_key_file(key: RSAPublicKey) -> bytes:
    """EF 0006: the public key to which a session key is delivered."""
    return ber(0xA1, public_key_objects(key))


def signed_key_file(key: RSAPublicKey, signer: CvKey) -> bytes:
    """EF 0007: the public half of the AP's own key 0013, and a signature over the whole DF51 object."""
    signed = ber(0xDF51, public_key_objects(key))
    return ber(0xFF50, signed, ber(0xDF52, signer.sign(signed)))


def text_files(holder: CardHolder, keys: CardKeys) -> dict[int, bytes]:
    """All readable files of the AP by EF identifier."""
    issuer = record_issuer(holder)
    return {
        0x0001: number_file(holder),
        0x0002: attributes_file(holder),
        0x0003: digests_file(holder, issuer.signer),
        0x0004: issuer.certificate(),
        0x0005: ap_info_file(holder),
        0x0006: session_key_file(keys.session.public_key()),
        0x0007: signed_key_file(keys.text.public_key(), issuer.signer),
        0x0008: UNKNOWN_FILE,
    }
