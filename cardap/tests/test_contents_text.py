"""Contents of the text AP: the published vector byte for byte, true digests, and openssl as judge."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mykey_cardap import tlv
from mykey_cardap.emulator.contents import text
from mykey_cardap.emulator.contents.keys import card_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from mykey_cardap.emulator.contents.holder import CardHolder

    Verify = Callable[[RSAPublicKey, bytes, bytes], bool]

VECTOR_0001 = bytes.fromhex("FF100C 353337363836363737313838 FFFF")
VECTOR_0002 = bytes.fromhex(
    "ff2065 df2108 000e002000590064 df220f e9bb92e6a190e38080e5b9b9e4b99f df2336 e69db1e4baace983bde6b885"
    "e780ace5b882e8a6b3e5b883e5ad90e58d97efbc91efbc92efbc8defbc97efbc8defbc92efbc90efbc92"
    "df2408 3139383030323137 df2501 31"
)
VECTOR_DF31 = "6d5a4c1ef9ab15bf506862d7e66b9c0f179ca065bc936c8e634e9e57449ca9cd"
VECTOR_DF32 = "b9e0d09427b23b1d4beda2848512b4103752dc2667e51f9712872d65f472cb3b"


@pytest.fixture(scope="module")
def files(test_card_holder: CardHolder) -> dict[int, bytes]:
    return text.text_files(test_card_holder, card_keys(test_card_holder.manufacture_serial))


@pytest.fixture(scope="module")
def signer(test_card_holder: CardHolder) -> RSAPublicKey:
    return text.record_issuer(test_card_holder).signer.private_key.public_key()


def test_number_and_attributes_are_the_published_bytes(files: dict[int, bytes]) -> None:
    """EF 0001 with its filler and EF 0002 with its offset table (reference §13.3)."""
    assert files[0x0001] == VECTOR_0001
    assert files[0x0002] == VECTOR_0002


def test_digests_are_the_published_ones(files: dict[int, bytes]) -> None:
    """EF 0003 covers the physical 17 bytes of EF 0001, and EF 0002 after its offset table."""
    digests = {member.tag: member.value for member in tlv.parse(files[0x0003]).children()}
    assert digests[0xDF31].hex() == VECTOR_DF31
    assert digests[0xDF32].hex() == VECTOR_DF32
    assert hashlib.sha256(VECTOR_0001[:-2]).hexdigest() != VECTOR_DF31


@pytest.mark.parametrize(
    ("fid", "head"),
    [
        (0x0003, "ff3082014bdf3120"),
        (0x0004, "7f218202335f4e820129"),
        (0x0005, "ff40819edf410401030e01df4210"),
        (0x0006, "a1820109900301000191820100"),
        (0x0007, "ff50820213df51820109"),
    ],
)
def test_heads_are_those_of_real_cards(files: dict[int, bytes], fid: int, head: str) -> None:
    """Tags and lengths as measured (reference §13.1)."""
    assert files[fid].hex().startswith(head)


def test_sizes(files: dict[int, bytes]) -> None:
    """Sizes that follow from the layouts, EF 0003 being the measured 336 bytes."""
    assert {fid: len(content) for fid, content in files.items() if fid != 0x0002} == {
        0x0001: 17,
        0x0003: 336,
        0x0004: 568,
        0x0005: 162,
        0x0006: 269,
        0x0007: 536,
        0x0008: 16,
    }


def test_openssl_verifies_the_profile(files: dict[int, bytes], signer: RSAPublicKey, openssl_verify: Verify) -> None:
    """The signature covers both digest objects as written, and nothing else."""
    first, second, signature = tlv.parse(files[0x0003]).children()
    assert openssl_verify(signer, first.raw + second.raw, signature.value)
    assert not openssl_verify(signer, first.value + second.value, signature.value)


def test_openssl_verifies_the_cards_public_key(
    files: dict[int, bytes], signer: RSAPublicKey, openssl_verify: Verify
) -> None:
    """EF 0007: the whole DF51 object is signed by the key that EF 0004 certifies."""
    key, signature = tlv.parse(files[0x0007]).children()
    assert openssl_verify(signer, key.raw, signature.value)


def test_openssl_verifies_the_cv_certificate(
    files: dict[int, bytes], test_card_holder: CardHolder, signer: RSAPublicKey, openssl_verify: Verify
) -> None:
    """EF 0004: the root signs 297 bytes: two key ids and the signer's public key."""
    body, signature = tlv.parse(files[0x0004]).children()
    root = text.record_issuer(test_card_holder).root
    assert len(body.value) == 297
    assert body.value[:16] == root.key_id
    assert signer.public_numbers().n.to_bytes(256, "big") == body.value[-256:]
    assert openssl_verify(root.private_key.public_key(), body.value, signature.value)


def test_key_ids_cannot_be_taken_for_real_ones(files: dict[int, bytes]) -> None:
    """Seven digits that begin with 9, then 08 05: real cards begin with 5, public test cards with 6."""
    body = tlv.parse(files[0x0004]).children()[0].value
    for key_id in (body[:16], body[16:32]):
        assert key_id[:1] == b"9"
        assert key_id[7:9] == b"\x08\x05"


@pytest.mark.parametrize(("characters", "first_offset"), [(1, 0x0E), (40, 0x0F), (200, 0x10)])
def test_long_addresses_keep_true_offsets(test_card_holder: CardHolder, characters: int, first_offset: int) -> None:
    """All three forms of the outer length, with the name where the table says."""
    holder = replace(test_card_holder, address="長" * characters)
    content = text.attributes_file(holder)
    table, name, *_ = tlv.parse(content).children()
    assert int.from_bytes(table.value[:2], "big") == first_offset
    assert content[first_offset:].startswith(name.raw)


def test_characters_outside_the_basic_plane_survive(test_card_holder: CardHolder) -> None:
    """U+20BB7 and a variation selector are stored as they are, never normalised."""
    holder = replace(test_card_holder, name="𠮷﨑　葛\U000e0100", former_name="髙")
    name = tlv.parse(text.attributes_file(holder)).children()[1].value.decode()
    assert name == "𠮷﨑［髙］　葛\U000e0100"


def test_two_cards_have_different_keys_and_a_card_keeps_its_own() -> None:
    """Keys depend on the serial only; within a card all four differ."""
    one, same, other = card_keys("400000012719843"), card_keys("400000012719843"), card_keys("1")
    assert one is same
    numbers = [key.private_numbers().p for key in (one.face, one.text, one.session, one.internal)]
    assert len(set(numbers)) == 4
    assert one.text.private_numbers().p != other.text.private_numbers().p
    assert "p=" not in repr(one)
