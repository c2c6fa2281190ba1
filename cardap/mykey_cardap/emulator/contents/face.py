"""Contents of the face AP (券面事項確認AP): age record, card face with pictures, picture of the number.

Layouts after soltia48/myna-card (`src/ap/surface.rs`). How the pictures come about is in `pictures.py`; which
key opens which file is in `mykey_cardap.emulator.aps.face`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from mykey_cardap.emulator.contents import pictures
from mykey_cardap.emulator.contents.encode import ber, ber_with_offsets
from mykey_cardap.emulator.contents.keys import CardKeys, IssuerKeyName, issuer_key
from mykey_cardap.emulator.contents.signing import CvKey, RecordIssuer, key_id, public_key_objects

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from mykey_cardap.emulator.contents.holder import CardHolder

UNKNOWN_FILE: Final = b"\xff" * 16
_AP_VERSION: Final = bytes.fromhex("06030e01")
_AP_KEY_ID: Final = key_id("9000024")
_OPAQUE_SIZE: Final = 256


def record_issuer(holder: CardHolder) -> RecordIssuer:
    """Who signs this AP's records. Ids begin with 9: real cards use 5, the public test cards 6."""
    signer_id = key_id(f"9{holder.municipality_code_on_card}2")
    return RecordIssuer(
        root=CvKey(key_id("9000023"), issuer_key(IssuerKeyName.FACE_ROOT)),
        signer=CvKey(signer_id, issuer_key(IssuerKeyName.FACE_SIGNER)),
    )


def _birth_date(tag: int, holder: CardHolder) -> bytes:
    return ber(tag, f"{holder.birth_date:%Y%m%d}".encode("ascii"))


def age_file(holder: CardHolder, card_key: RSAPublicKey, signer: CvKey) -> bytes:
    """EF 0001: birth date and card key, signed together (547 bytes)."""
    signed = _birth_date(0xDF11, holder) + ber(0xDF12, public_key_objects(card_key))
    return ber(0xFF10, signed, ber(0xDF13, signer.sign(signed)))


def face_file(holder: CardHolder, card_key: RSAPublicKey, signer: CvKey) -> bytes:
    """EF 0002: nine objects behind an offset table; expiry and security code are outside the signature."""
    facts = [
        _birth_date(0xDF22, holder),
        ber(0xDF23, holder.sex.value.encode("ascii")),
        ber(0xDF24, public_key_objects(card_key)),
    ]
    texts = [
        ber(0xDF25, pictures.name_png(holder.name_on_card)),
        ber(0xDF26, pictures.address_png(holder.address)),
    ]
    photo = ber(0xDF27, pictures.photo_jp2(holder))
    signature = ber(0xDF28, signer.sign_composed(b"".join(facts), b"".join(texts), photo))
    unsigned = [
        ber(0xDF29, f"{holder.card_expiry:%Y%m%d}".encode("ascii")),
        ber(0xDF2A, pictures.digits_png(holder.security_code)),
    ]
    return ber_with_offsets(0xFF20, 0xDF21, [*facts, *texts, photo, signature, *unsigned])


def ap_info_file(holder: CardHolder) -> bytes:
    """EF 0003: version, key id, municipality, and a block whose 256 last bytes nobody has explained yet."""
    municipality = holder.municipality_code_on_card
    seed = b"face-ap-df35" + holder.manufacture_serial.encode("ascii")
    opaque = hashlib.shake_256(seed).digest(_OPAQUE_SIZE)
    return ber(
        0xFF30,
        ber(0xDF31, _AP_VERSION),
        ber(0xDF32, _AP_KEY_ID),
        ber(0xDF33, b"\x01"),
        ber(0xDF34, municipality.encode("ascii")),
        ber(0xDF35, key_id(f"9{municipality}5") + opaque),
    )


def number_picture_file(holder: CardHolder, card_key: RSAPublicKey, signer: CvKey) -> bytes:
    """EF 0005: the number as a picture of 72 by 12, with the card key, signed together."""
    picture = ber(0xDF41, pictures.digits_png(holder.number_a))
    signed = picture + ber(0xDF42, public_key_objects(card_key))
    return ber(0xFF40, signed, ber(0xDF43, signer.sign(signed)))


def face_files(holder: CardHolder, keys: CardKeys) -> dict[int, bytes]:
    """All readable files of the AP by EF identifier."""
    issuer, card_key = record_issuer(holder), keys.face.public_key()
    return {
        0x0001: age_file(holder, card_key, issuer.signer),
        0x0002: face_file(holder, card_key, issuer.signer),
        0x0003: ap_info_file(holder),
        0x0004: issuer.certificate(),
        0x0005: number_picture_file(holder, card_key, issuer.signer),
        0x0006: UNKNOWN_FILE,
    }
