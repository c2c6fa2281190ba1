"""Contents of the face AP: layout, pictures that other programs open, and openssl as judge of the signatures."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from mykey_cardap import tlv
from mykey_cardap.emulator.contents import face
from mykey_cardap.emulator.contents.holder import CardSex
from mykey_cardap.emulator.contents.keys import card_keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from mykey_cardap.emulator.contents.holder import CardHolder


@pytest.fixture(scope="module")
def files(test_card_holder: CardHolder) -> dict[int, bytes]:
    return face.face_files(test_card_holder, card_keys(test_card_holder.manufacture_serial))


@pytest.fixture(scope="module")
def signer(test_card_holder: CardHolder) -> RSAPublicKey:
    return face.record_issuer(test_card_holder).signer.private_key.public_key()


def _members(content: bytes) -> dict[int, tlv.Tlv]:
    return {member.tag: member for member in tlv.parse(content).children()}


def test_nine_offsets_point_at_the_nine_objects(files: dict[int, bytes]) -> None:
    """The first is 001A, because the outer length takes `82 xxxx`."""
    content = files[0x0002]
    table, *members = tlv.parse(content).children()
    offsets = [int.from_bytes(table.value[at : at + 2], "big") for at in range(0, 18, 2)]
    assert offsets[0] == 0x1A
    assert [member.tag for member in members] == list(range(0xDF22, 0xDF2B))
    assert all(content[at:].startswith(m.raw) for at, m in zip(offsets, members, strict=True))


def test_facts(files: dict[int, bytes]) -> None:
    """Birth date Gregorian, sex by JIS X 0303, expiry."""
    members = _members(files[0x0002])
    assert members[0xDF22].value == b"19800217"
    assert members[0xDF23].value == b"1"
    assert members[0xDF29].value == b"20350217"


def test_one_card_key_in_three_records(files: dict[int, bytes], test_card_holder: CardHolder) -> None:
    """DF12, DF24 and DF42 are the public half of the key that the AP signs with."""
    keys = {
        _members(files[0x0001])[0xDF12].value,
        _members(files[0x0002])[0xDF24].value,
        _members(files[0x0005])[0xDF42].value,
    }
    own = card_keys(test_card_holder.manufacture_serial).face.public_key().public_numbers()
    assert len(keys) == 1
    assert keys.pop()[-256:] == own.n.to_bytes(256, "big")


def test_heads_are_those_of_real_cards(files: dict[int, bytes]) -> None:
    """Tags and lengths as measured (reference §13.2)."""
    assert files[0x0001].hex().startswith("ff1082021edf1108")
    assert files[0x0003].hex().startswith("ff3082013bdf310406030e01df3210")
    assert _members(files[0x0003])[0xDF34].value == b"13221"
    assert len(_members(files[0x0003])[0xDF35].value) == 0x110
    assert files[0x0006] == b"\xff" * 16


@pytest.mark.parametrize(("fid", "tag"), [(0x0001, 0xDF13), (0x0005, 0xDF43)])
def test_openssl_verifies_age_record_and_number_picture(
    files: dict[int, bytes],
    signer: RSAPublicKey,
    openssl_verify: Callable[[RSAPublicKey, bytes, bytes], bool],
    fid: int,
    tag: int,
) -> None:
    """Signed are the two objects before the signature as written."""
    first, second, signature = tlv.parse(files[fid]).children()
    assert signature.tag == tag
    assert openssl_verify(signer, first.raw + second.raw, signature.value)
    assert not openssl_verify(signer, first.raw + second.raw + b"\0", signature.value)


def test_openssl_recovers_the_composed_digest_of_the_face(
    files: dict[int, bytes],
    signer: RSAPublicKey,
    openssl_recover: Callable[[RSAPublicKey, bytes], bytes],
) -> None:
    """DF28 is one DigestInfo with three SHA-256 values over whole objects; DF29 and DF2A are not in it."""
    raw = {tag: member.raw for tag, member in _members(files[0x0002]).items()}
    groups = [raw[0xDF22] + raw[0xDF23] + raw[0xDF24], raw[0xDF25] + raw[0xDF26], raw[0xDF27]]
    expected = bytes.fromhex("3071300d060960864801650304020105000460")
    expected += b"".join(hashlib.sha256(group).digest() for group in groups)
    assert openssl_recover(signer, _members(files[0x0002])[0xDF28].value) == expected


@pytest.mark.parametrize(
    ("fid", "tag", "size"),
    [(0x0002, 0xDF25, None), (0x0002, 0xDF26, None), (0x0002, 0xDF2A, (24, 12)), (0x0005, 0xDF41, (72, 12))],
)
def test_text_pictures_are_black_and_white_png(
    files: dict[int, bytes], fid: int, tag: int, size: tuple[int, int] | None
) -> None:
    """Pillow opens them, they have one bit per pixel, and something is drawn."""
    content = _members(files[fid])[tag].value
    assert content.startswith(bytes.fromhex("89504E470D0A1A0A"))
    picture = Image.open(io.BytesIO(content))
    assert (picture.format, picture.mode) == ("PNG", "1")
    assert picture.convert("L").getextrema() == (0, 255)
    assert size in {None, picture.size}


def test_photo_is_greyscale_jpeg_2000(files: dict[int, bytes]) -> None:
    """Pillow decodes it, and it is no JPEG (a mistake of several sources)."""
    content = _members(files[0x0002])[0xDF27].value
    assert content.startswith(bytes.fromhex("0000000C6A5020200D0A870A"))
    picture = Image.open(io.BytesIO(content))
    picture.load()
    assert (picture.format, picture.mode) == ("JPEG2000", "L")


@pytest.mark.skipif(shutil.which("file") is None, reason="the program `file` is not installed")
@pytest.mark.parametrize(
    ("tag", "named"),
    [(0xDF25, "PNG image data, 496 x"), (0xDF27, "JPEG 2000 Part 1 (JP2)"), (0xDF2A, "PNG image data, 24 x 12, 1-bit")],
)
def test_file_names_the_pictures(files: dict[int, bytes], tmp_path: Path, tag: int, named: str) -> None:
    """The magic numbers say the same to a program that we did not write."""
    path = tmp_path / "picture"
    path.write_bytes(_members(files[0x0002])[tag].value)
    done = subprocess.run(["file", "--brief", path], check=True, capture_output=True, text=True)
    assert named in done.stdout


def test_sex_and_birth_date_are_written_as_on_the_card(test_card_holder: CardHolder) -> None:
    """EMU-21: files have 1/2/9/0 and YYYYMMDD; the certificate's 1/2/3 and EYYYYMMDD are not used here."""
    holder = replace(test_card_holder, sex=CardSex.NOT_APPLICABLE, birth_date=date(2001, 1, 2))
    members = _members(face.face_files(holder, card_keys("1"))[0x0002])
    assert members[0xDF23].value == b"9"
    assert members[0xDF22].value == b"20010102"
