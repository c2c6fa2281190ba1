"""PUT KEY in both block forms, keys by STORE DATA, check values compared, and what a card refuses about keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mykey_cardap.apdu import SW, ResponseApdu
from mykey_cardap.globalplatform.command_data import KeyBlockForm, StoreFormat, WrappedKey, put_key, wrap_keys
from mykey_cardap.globalplatform.errors import (
    CardCryptogramError,
    FailureClass,
    HandshakeError,
    InvalidContentError,
    KeyCheckError,
    ReplanContentError,
    ScpKeyError,
    SecurityContentError,
)
from mykey_cardap.globalplatform.keys import ScpKeys, key_check_value
from mykey_cardap.globalplatform.security_domain import SecurityDomainSession

Domain = Callable[..., SecurityDomainSession]
Keys = Callable[..., ScpKeys]
GOLDEN_INNER = (
    "31 8811103D0FA4B855D2A5AA4954B8B5DF582A3A03C35280 881110790ACCDA858B997029FA9AE50C9CD02803013808"
    " 8811108CAA7F589AA0CEB6350A45E70A6E435B03840DE5"
)
GOLDEN_BARE = (
    "31 88103D0FA4B855D2A5AA4954B8B5DF582A3A03C35280 8810790ACCDA858B997029FA9AE50C9CD02803013808"
    " 88108CAA7F589AA0CEB6350A45E70A6E435B03840DE5"
)
FORMS = pytest.mark.parametrize("form", list(KeyBlockForm), ids=lambda form: form.value.replace(" ", "-"))


@pytest.mark.parametrize(
    ("form", "golden"), [(KeyBlockForm.INNER_LENGTH, GOLDEN_INNER), (KeyBlockForm.BARE, GOLDEN_BARE)]
)
def test_golden_key_blocks(form: KeyBlockForm, golden: str, default_keys: ScpKeys, scp_keys: Keys) -> None:
    """§3.8: a whole set 00…, 10…, 20… as version 31 under DEK 40…4F, in both forms."""
    assert put_key(0x31, wrap_keys(scp_keys(), default_keys), form).hex().upper() == golden.replace(" ", "")


@pytest.mark.parametrize("golden", [GOLDEN_INNER, GOLDEN_BARE], ids=["inner-length", "bare"])
def test_the_card_takes_golden_key_blocks(golden: str, domain: Domain) -> None:
    """§3.8: the card answers version and check values, from the bytes of another client."""
    session = domain()
    data = golden.replace(" ", "")
    answer = session.secure_channel.send_apdu(bytes.fromhex(f"80D83081{len(data) // 2:02X}" + data + "00"))
    assert answer.hex() == "31c35280013808840de59000"


@FORMS
def test_a_replaced_key_set_opens_the_next_channel(
    form: KeyBlockForm, domain: Domain, open_card: Any, scp_keys: Keys, default_keys: ScpKeys
) -> None:
    """The old version is gone, the sequence counter starts again at 1."""
    card = open_card()
    domain(card)
    session = domain(card)
    assert session.secure_channel.hello.sequence_counter == 2
    session.put_keys(scp_keys(), version=0x31, replaces=0x30, form=form)
    with pytest.raises(HandshakeError) as refused:
        domain(card, keys=default_keys, key_version=0x30)
    assert refused.value.sw == 0x6A88
    assert domain(card, keys=scp_keys()).secure_channel.hello.sequence_counter == 1


@pytest.mark.parametrize("size", [16, 24, 32])
def test_an_added_key_set_of_any_length(size: int, domain: Domain, open_card: Any, scp_keys: Keys) -> None:
    """AES-128, 192 and 256 beside the first set; key information tells the length."""
    card = open_card()
    session = domain(card)
    session.put_keys(scp_keys(size), version=0x3A)
    added = [key for key in session.key_information() if key.version == 0x3A]
    assert [(key.identifier, key.kind, key.length) for key in added] == [(n, 0x88, size) for n in (1, 2, 3)]
    opened = domain(card, keys=scp_keys(size), key_version=0x3A)
    assert opened.secure_channel.hello.key_version == 0x3A


def test_aes_192_needs_the_inner_length(domain: Domain, scp_keys: Keys) -> None:
    """Without it the card could not tell 24 bytes from 32."""
    with pytest.raises(InvalidContentError, match="AES-192"):
        domain().put_keys(scp_keys(24), version=0x3A, form=KeyBlockForm.BARE)


def test_a_wrong_check_value_changes_nothing(domain: Domain, scp_keys: Keys) -> None:
    """6982 from the card: class security; all keys of the command are refused, not only the wrong one."""
    session = domain()
    first, second, third = wrap_keys(scp_keys(), session.secure_channel.keys)
    wrong = WrappedKey(third.ciphertext, 16, bytes(3))
    with pytest.raises(SecurityContentError) as refused:
        session.put_wrapped_keys([first, second, wrong], version=0x31)
    assert refused.value.failure is FailureClass.SECURITY
    assert {key.version for key in session.key_information()} == {0x30}


def test_other_check_values_in_the_answer_are_seen(channel_card: Any, scp_keys: Keys) -> None:
    """A card that stored other keys than were sent: `KeyCheckError`, because nobody knows what it has now."""
    card = channel_card()
    card.handler = lambda _: ResponseApdu(bytes.fromhex("31C35280013808840DE6"), SW.OK)
    session = SecurityDomainSession(SelectFirst(card))
    session.authenticate(scp_keys())
    with pytest.raises(KeyCheckError) as failed:
        session.put_keys(scp_keys(), version=0x31)
    assert failed.value.failure is FailureClass.SECURITY


class SelectFirst:
    """Answers SELECT and leaves the rest to a channel card."""

    def __init__(self, card: Any) -> None:
        self.card = card

    def send_apdu(self, command: bytes) -> bytes:
        """9000 to SELECT."""
        return b"\x90\x00" if command[1] == 0xA4 else bytes(self.card.send_apdu(command))


@pytest.mark.parametrize(
    ("version", "replaces", "size", "sw"),
    [
        (0x30, 0x00, 16, 0x6A80),  # is there already
        (0x31, 0x33, 16, 0x6A88),  # nothing to replace
        (0x31, 0x30, 32, 0x6A80),  # another length
    ],
)
def test_a_key_set_that_does_not_fit(
    version: int, replaces: int, size: int, sw: int, domain: Domain, scp_keys: Keys
) -> None:
    """The plan is wrong about the card: nothing is stored."""
    session = domain()
    before = session.key_information()
    with pytest.raises(ReplanContentError) as refused:
        session.put_keys(scp_keys(size), version=version, replaces=replaces)
    assert refused.value.sw == sw
    assert session.key_information() == before


def test_single_keys_make_a_set_when_all_three_are_there(domain: Domain, open_card: Any, scp_keys: Keys) -> None:
    """One PUT KEY per key (§3.8, as gpshell3 sends them); an incomplete set cannot be used."""
    card = open_card()
    session = domain(card)
    wrapped = wrap_keys(scp_keys(), session.secure_channel.keys)
    for first, key in enumerate(wrapped[:2], 1):
        session.put_wrapped_keys([key], version=0x31, first=first)
    with pytest.raises(HandshakeError):
        domain(card, keys=scp_keys(), key_version=0x31)
    domain(card).put_wrapped_keys([wrapped[2]], version=0x31, first=3)
    assert domain(card, keys=scp_keys(), key_version=0x31).secure_channel.hello.key_version == 0x31


def test_keys_by_dgi(domain: Domain, open_card: Any, scp_keys: Keys, default_keys: ScpKeys) -> None:
    """§3.4: DGI 00B9 and 8113 for each key; one wrong check value and none is stored."""
    card = open_card()
    keys = scp_keys()

    def grouping(number: int, value: bytes, check: bytes) -> bytes:
        fields = "9501FF 960100 800188 810110".replace(" ", "") + f"8201{number:02X} 830133 8403".replace(" ", "")
        attributes = bytes.fromhex(fields) + check
        attributes = bytes((0xB9, len(attributes))) + attributes
        head = b"\x00\xb9" + bytes((len(attributes),)) + attributes
        return head + bytes.fromhex("811310") + default_keys.encrypt(value)

    values = [keys.enc, keys.mac, keys.dek]
    good = [grouping(number, value, key_check_value(value)) for number, value in enumerate(values, 1)]
    session = domain(card)
    with pytest.raises(SecurityContentError):
        session.store_data(good[0] + good[1] + grouping(3, keys.dek, bytes(3)), form=StoreFormat.DGI)
    assert {key.version for key in session.key_information()} == {0x30}
    session.store_data(b"".join(good), form=StoreFormat.DGI)
    assert domain(card, keys=keys, key_version=0x33).secure_channel.hello.key_version == 0x33


def test_deleting_key_sets(domain: Domain, open_card: Any, scp_keys: Keys) -> None:
    """One of two goes; the last one only when it is meant."""
    card = open_card()
    session = domain(card)
    session.put_keys(scp_keys(), version=0x31)
    session.delete_key_set(0x30)
    assert {key.version for key in session.key_information()} == {0x31}
    with pytest.raises(InvalidContentError):
        session.delete_key_set(0x31)
    session.delete_key_set(0x31, last=True)
    with pytest.raises(HandshakeError):
        domain(card, keys=scp_keys())


@pytest.mark.parametrize("sizes", [(16, 16, 24), (15, 15, 15), (0, 0, 0), (33, 33, 33)])
def test_what_is_no_key_set(sizes: tuple[int, int, int]) -> None:
    """Three AES keys of one length, or `ScpKeyError`, which says nothing about their values."""
    with pytest.raises(ScpKeyError):
        ScpKeys(*map(bytes, sizes))


def test_a_key_set_of_another_length_opens_nothing(domain: Domain, scp_keys: Keys) -> None:
    """AES-256 keys against an AES-128 card end at the card cryptogram, before a proof is sent."""
    with pytest.raises(CardCryptogramError):
        domain(keys=scp_keys(32))


def test_keys_found_by_what_the_card_says(domain: Domain, default_keys: ScpKeys) -> None:
    """Keys may be a function of diversification data and version, as in a fleet with keys per card."""
    asked = []

    def lookup(hello: Any) -> ScpKeys:
        asked.append((hello.diversification, hello.key_version))
        return default_keys

    domain(keys=lookup)
    assert asked == [(bytes(10), 0x30)]


def test_wrapping_is_cbc_with_a_zero_vector(default_keys: ScpKeys) -> None:
    """Against a cipher of its own: not ECB, which looks the same for one block."""
    plain = bytes(range(32))
    encryptor = Cipher(algorithms.AES(default_keys.dek), modes.CBC(bytes(16))).encryptor()
    assert default_keys.encrypt(plain) == encryptor.update(plain) + encryptor.finalize()
