"""The key tree and its providers, judged by the published vectors, by OpenSSL and by SoftHSM."""

from __future__ import annotations

import subprocess
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from mykey_cardap.globalplatform.keys import ScpKeys, key_check_value
from mykey_cardap.service_application.key_tree import SERVICE_LABEL, SET_LABEL, card_keys
from mykey_cardap.service_application.numbers import Role
from mykey_core.card_writing.errors import CardKeysUnavailable
from mykey_core.card_writing.keys.provider import CardKeyProvider
from mykey_core.card_writing.keys.slots import KeyPart, KeySlot
from mykey_core.card_writing.keys.software import SoftwareCardKeys, load_card_keys
from mykey_core.card_writing.keys.tokens import TokenResidentCardKeys, TokenSignCardKeys
from mykey_core.errors import ConfigurationError
from mykey_core.keys.pkcs11 import TokenSettings

pytestmark = pytest.mark.xdist_group("softhsm")
MASTER = bytes(range(32))
SET = (KeyPart.ENC, KeyPart.MAC, KeyPart.DEK)
UID = bytes.fromhex("04a1b2c3d4e5f6")
ISSUER = 102016
VECTORS = [
    (0x0101, 1, 1, "1d781441972574cf967cb9ddfe5e86f7"),
    (0x0101, 2, 1, "10734cb223c789e9e4be5c2319d4eede"),
    (0x0101, 1, 2, "9181484e6b4b2344a34a41822fbffa4e"),
    (0x0301, 1, 1, "6d3d368886f97d3bd1feaf6c0b938007"),
]
SET_VECTOR = (
    "3c648c85d6555f46c7272ff794c14f81",
    "8fcca05f5e08b01c7569f9dd6fac3603",
    "6b64a13f7f487ca7d600a8864cada9ba",
)
TRANSACTION = bytes.fromhex("00112233445566778899aabbccddeeff0102030405060708")
_tokens = count(1)


def slot(service: int = 0x0101, number: int = 1, generation: int = 1) -> KeySlot:
    return KeySlot(ISSUER, service, Role(number), generation, UID)


def openssl_kbkdf(key: bytes, label: bytes, context: bytes) -> bytes:
    cipher = f"cipher:AES-{len(key) * 8}-CBC"
    options = ["mac:CMAC", cipher, "mode:COUNTER", f"hexkey:{key.hex()}", f"hexsalt:{label.hex()}"]
    arguments = [part for option in (*options, f"hexinfo:{context.hex()}") for part in ("-kdfopt", option)]
    command = ["openssl", "kdf", "-keylen", "16", "-binary", *arguments, "KBKDF"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def openssl_cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC by OpenSSL's program."""
    command = ["openssl", "mac", "-binary", "-macopt", "cipher:AES-128-CBC", "-macopt", f"hexkey:{key.hex()}", "CMAC"]
    return subprocess.run(command, check=True, capture_output=True, input=message).stdout


def openssl_transaction_mac(key: bytes, counter: int) -> bytes:
    """Reference §7.3: the session key is the CMAC of counter and serial, the MAC the first eight bytes of the next."""
    session = openssl_cmac(key, bytes.fromhex("5a00010080") + counter.to_bytes(4, "little") + UID)
    return openssl_cmac(session, TRANSACTION)[:8]


@pytest.mark.parametrize(("service", "number", "generation", "expected"), VECTORS)
def test_service_keys_are_those_of_the_vectors(service: int, number: int, generation: int, expected: str) -> None:
    """The message that a token signs gives the reference's keys, and OpenSSL's KDF agrees."""
    where = slot(service, number, generation)
    mac = CMAC(algorithms.AES(MASTER))
    mac.update(where.prf_message)
    assert mac.finalize().hex() == expected
    assert openssl_kbkdf(MASTER, SERVICE_LABEL, where.context).hex() == expected


def test_key_sets_are_those_of_openssl() -> None:
    """Step two of the tree gives what `openssl kdf` gives for the purposes 1, 2 and 3."""
    key = bytes.fromhex(VECTORS[0][3])
    keys = card_keys(key)
    assert (keys.enc, keys.mac, keys.dek) == tuple(openssl_kbkdf(key, SET_LABEL, bytes((part,))) for part in (1, 2, 3))
    assert (keys.enc.hex(), keys.mac.hex(), keys.dek.hex()) == SET_VECTOR


def test_the_file_keeps_masters_for_its_owner_only(tmp_path: Path) -> None:
    """A master is in the file with mode 0600, and a file that others can read is refused."""
    path = tmp_path / "card-keys.json"
    load_card_keys(path).add_master(1, MASTER)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_card_keys(path).master_check_value(1) == key_check_value(MASTER)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="0600"):
        load_card_keys(path)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"version": 2, "masters": {}}', '{"version": 1, "masters": {"1": "00"}}']
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: str) -> None:
    """A file that is no file of master keys is refused with where to look."""
    path = tmp_path / "card-keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="restore"):
        load_card_keys(path)


@pytest.mark.parametrize("generation", [1, 2, 256])
def test_a_generation_is_never_replaced_and_never_goes_back(generation: int) -> None:
    """A new master is of a later generation than all others."""
    keys = SoftwareCardKeys({generation: MASTER})
    with pytest.raises(CardKeysUnavailable):
        keys.add_master(generation, bytes(32))
    assert keys.masters == {generation: MASTER}


def test_no_key_is_shown(tmp_path: Path) -> None:
    """Neither providers nor key sets nor slots show a key or a card's serial in their text."""
    keys = SoftwareCardKeys({1: MASTER}, tmp_path / "unused")
    shown = repr(keys) + repr(keys.key_set(slot())) + repr(slot())
    for secret in (MASTER, keys.key_set(slot()).keys.enc, UID):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown


@pytest.fixture
def signing(softhsm: TokenSettings) -> TokenSignCardKeys:
    """A token with the master of the vectors, of a town that no other test uses."""
    keys = TokenSignCardKeys(softhsm, f"sign-{next(_tokens)}")
    keys.add_master(1, MASTER)
    return keys


@pytest.fixture
def resident(softhsm: TokenSettings) -> TokenResidentCardKeys:
    """The same for keys that stay in the token."""
    keys = TokenResidentCardKeys(softhsm, f"resident-{next(_tokens)}")
    keys.add_master(1, MASTER)
    return keys


def test_a_signing_token_gives_the_keys_of_the_tree(signing: TokenSignCardKeys) -> None:
    """SoftHSM's AES-CMAC over our message is the KDF: the same key sets as in software, and the same check values."""
    software = SoftwareCardKeys({1: MASTER})
    for number in range(4):
        theirs, ours = signing.key_set(slot(number=number)), software.key_set(slot(number=number))
        assert (theirs.keys.enc, theirs.keys.mac, theirs.keys.dek) == (ours.keys.enc, ours.keys.mac, ours.keys.dek)
    assert signing.master_check_value(1) == key_check_value(MASTER)


def test_resident_keys_work_like_keys_of_this_process(resident: TokenResidentCardKeys) -> None:
    """Session keys, encryption and check values of a key that never left the token equal those of its value."""
    block = Cipher(algorithms.AES(MASTER), modes.ECB()).encryptor()  # noqa: S305 - what the token does, block by block
    twin = ScpKeys(*(block.update(slot().resident_block(part)) for part in SET))
    keys = resident.key_set(slot())
    context = bytes(range(16))
    theirs, ours = keys.session_keys(context), twin.session_keys(context)
    assert (theirs.enc, theirs.mac, theirs.rmac) == (ours.enc, ours.mac, ours.rmac)
    assert keys.encrypt(bytes(32)) == twin.encrypt(bytes(32))
    assert keys.check_values() == twin.check_values()
    other = resident.wrapped(slot(number=2), under=keys)
    expected = ScpKeys(*(block.update(slot(number=2).resident_block(part)) for part in SET))
    assert other.ciphers == tuple(map(twin.encrypt, (expected.enc, expected.mac, expected.dek)))
    assert other.check_values == expected.check_values()
    single = block.update(slot(number=4).resident_block(KeyPart.SINGLE))
    assert resident.wrapped(slot(number=4), under=keys).ciphers == (twin.encrypt(single),)
    keys.close()


@pytest.mark.parametrize("service", [0x0101, 0x0301])
def test_a_signing_token_makes_the_transaction_mac_of_the_card(signing: TokenSignCardKeys, service: int) -> None:
    """The MAC that a card makes with K4 of the tree, computed here by the published scheme from OpenSSL's keys."""
    place = slot(service=service, number=4)
    key = openssl_kbkdf(MASTER, SERVICE_LABEL, place.context)
    assert signing.transaction_mac(place, 0x42, TRANSACTION) == openssl_transaction_mac(key, 0x42)
    assert signing.transaction_mac(place, 0x43, TRANSACTION) != openssl_transaction_mac(key, 0x42)


def test_a_resident_token_makes_the_transaction_mac_of_its_own_key(resident: TokenResidentCardKeys) -> None:
    """K4 stays in the token; a card that got it by PUT KEY makes the same MAC, and no object is left behind."""
    from pkcs11 import Attribute, ObjectClass

    block = Cipher(algorithms.AES(MASTER), modes.ECB()).encryptor()  # noqa: S305 - what the token does
    key = block.update(slot(number=4).resident_block(KeyPart.SINGLE))
    session = resident._session()
    keys_there = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.TOKEN: False}
    before = len(list(session.get_objects(keys_there)))
    assert resident.transaction_mac(slot(number=4), 0x42, TRANSACTION) == openssl_transaction_mac(key, 0x42)
    assert len(list(session.get_objects(keys_there))) == before


def test_transaction_macs_need_the_generation(signing: TokenSignCardKeys, resident: TokenResidentCardKeys) -> None:
    """A receipt of a generation without a key is no receipt: a typed error, not a MAC of something else."""
    for keys in (signing, resident, SoftwareCardKeys({1: MASTER})):
        with pytest.raises(CardKeysUnavailable):
            keys.transaction_mac(slot(number=4, generation=2), 0x42, TRANSACTION)


def test_the_value_of_a_resident_key_cannot_be_read(resident: TokenResidentCardKeys) -> None:
    """The token refuses to show a derived key and the master itself."""
    from pkcs11 import Attribute
    from pkcs11.exceptions import AttributeSensitive

    keys = resident.key_set(slot())
    for key in (*keys.keys, resident._master(1)):
        with pytest.raises(AttributeSensitive):
            key[Attribute.VALUE]
    keys.close()


def test_closed_resident_keys_are_gone(resident: TokenResidentCardKeys) -> None:
    """`close` destroys the objects: the token forgets them, and using them is an error of ours."""
    keys = resident.key_set(slot())
    keys.close()
    with pytest.raises(CardKeysUnavailable):
        keys.check_values()


@pytest.mark.parametrize("kind", ["software", "signing", "resident"])
def test_a_missing_generation_says_what_to_do(kind: str, request: pytest.FixtureRequest) -> None:
    """A generation without a master is refused with the way to make one."""
    keys: CardKeyProvider = SoftwareCardKeys({1: MASTER}) if kind == "software" else request.getfixturevalue(kind)
    with pytest.raises(CardKeysUnavailable, match="ceremony"):
        keys.key_set(slot(generation=2))
    with pytest.raises(CardKeysUnavailable):
        keys.add_master(1, MASTER)
