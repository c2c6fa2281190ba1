"""Records of the common AP and data objects of the issuer security domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from mykey_cardap import tlv
from mykey_cardap.emulator.contents.common import card_info_record, key_reference_record
from mykey_cardap.emulator.contents.issuer_domain import domain_objects
from mykey_cardap.emulator.contents.keys import IssuerKeyName, issuer_key
from mykey_cardap.emulator.contents.signing import key_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from mykey_cardap.emulator.contents.holder import CardHolder


def test_card_info_is_the_published_record(test_card_holder: CardHolder) -> None:
    """Common AP EF 0001 record 1 of the public test card, byte for byte."""
    assert card_info_record(test_card_holder) == b"\x01\x1c4000000127198431322120350217"


def test_key_reference_is_one_key_id_of_16_bytes(test_card_holder: CardHolder) -> None:
    """EF 0002 of the common and the resident-register AP."""
    (reference,) = tlv.parse_simple(key_reference_record(test_card_holder))
    assert len(reference.value) == 16


def test_objects_agree_with_the_card(test_card_holder: CardHolder) -> None:
    """Municipality, expiry and serial are those of the other applications; ids have 16 bytes."""
    objects = domain_objects(test_card_holder)
    assert objects[0x00F0] == b"13221"
    assert objects[0x00F2] == b"20350217"
    assert objects[0x0045] == b"400000012719843"
    assert len(objects[0x0042]) == len(objects[0x00F7]) == 16
    assert objects[0x0066].startswith(bytes.fromhex("6631732f06072a864886fc6b01"))


def test_certificates_form_a_chain(
    test_card_holder: CardHolder, openssl_verify: Callable[[RSAPublicKey, bytes, bytes], bool]
) -> None:
    """The root certifies the intermediate of 00F7, which certifies the next key; both without template."""
    objects = domain_objects(test_card_holder)
    root = issuer_key(IssuerKeyName.DOMAIN_ROOT).public_key()
    upper, upper_signature = tlv.parse_all(objects[0x00F8])
    lower, lower_signature = tlv.parse_all(objects[0x7F21])
    assert openssl_verify(root, upper.value, upper_signature.value)
    assert upper.value[16:32] == lower.value[:16] == objects[0x00F7]
    intermediate = RSAPublicNumbers(65537, int.from_bytes(upper.value[-256:], "big")).public_key()
    assert openssl_verify(intermediate, lower.value, lower_signature.value)
    assert not openssl_verify(root, lower.value, lower_signature.value)


def test_an_older_card_has_no_lower_certificate(test_card_holder: CardHolder) -> None:
    """7F21 is absent, everything else is there."""
    objects = domain_objects(test_card_holder, lower_certificate=False)
    assert domain_objects(test_card_holder).keys() - objects.keys() == {0x7F21}


@pytest.mark.parametrize("arguments", [("90000231",), ("9000023", "1"), ("9000023", "001", b"")])
def test_key_ids_of_a_wrong_size_are_refused(arguments: tuple[str]) -> None:
    """Sixteen bytes or nothing."""
    with pytest.raises(ValueError, match="key id"):
        key_id(*arguments)
