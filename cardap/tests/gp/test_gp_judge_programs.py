"""Judges that are programs: OpenSSL for the derivation, SoftHSM for its CMACs, OpenSC and yubikit over PC/SC.

None of them shares code with us; over PC/SC the card is a process of its own behind the virtual reader.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mykey_cardap.globalplatform.derivation import Constant, derive, prf_inputs
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_testkit.pcsc import PORTS, READERS, PrivatePcscd, require_programs

_BLANK_CARD = """
import sys, time
from mykey_cardap.emulator.globalplatform.cards import make_open_card
from mykey_cardap.emulator.vpcd import VpcdClosedError, VpcdSlot
card = make_open_card()
while True:
    try:
        VpcdSlot(card, port=int(sys.argv[1])).serve()
    except VpcdClosedError:
        time.sleep(0.1)
"""
_TOKEN_CMAC = """
import sys
from pathlib import Path
import pkcs11
module, label, pin_file, key, *messages = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=label).open(user_pin=Path(pin_file).read_text(), rw=True) as session:
    template = {
        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
        pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
        pkcs11.Attribute.VALUE: bytes.fromhex(key),
        pkcs11.Attribute.SIGN: True,
        pkcs11.Attribute.TOKEN: False,
    }
    stored = session.create_object(template)
    for message in messages:
        print(stored.sign(bytes.fromhex(message), mechanism=pkcs11.Mechanism.AES_CMAC).hex())
"""
CASES = [(constant, size, length) for constant in Constant for size in (16, 24, 32) for length in (8, 16, 24, 32)]


@pytest.mark.parametrize(("constant", "size", "length"), CASES)
def test_openssl_agrees_with_every_derivation(constant: Constant, size: int, length: int, tmp_path: Path) -> None:
    """§2.2: `openssl mac` over each PRF input, joined and cut, for every constant, key length and output length."""
    require_programs("openssl")
    source = random.Random(constant * 100 + size + length)  # noqa: S311 - reproducible
    key, context = source.randbytes(size), source.randbytes(16)
    joined = b""
    for message in prf_inputs(constant, context, length):
        (tmp_path / "message").write_bytes(message)
        options = ["-macopt", f"cipher:AES-{size * 8}-CBC", "-macopt", f"hexkey:{key.hex()}"]
        command = ["openssl", "mac", *options, "-binary", "-in", str(tmp_path / "message"), "CMAC"]
        joined += subprocess.run(command, check=True, capture_output=True).stdout
    assert bytes(derive(key, constant, context, length)) == joined[:length]


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_cmac_of_sp_800_38b_here_and_in_a_token(length: int, expected: str, softhsm: Any) -> None:
    """§4.3: the published CMACs, by our library and by SoftHSM's AES_CMAC."""
    from cryptography.hazmat.primitives.ciphers import algorithms
    from cryptography.hazmat.primitives.cmac import CMAC

    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    message = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )[:length]
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    assert mac.finalize().hex() == expected
    if message:  # the token refuses to sign nothing
        assert _token_cmac(softhsm, key, message)[0].hex() == expected


def _token_cmac(softhsm: Any, key: bytes, *messages: bytes) -> list[bytes]:
    """CMACs by the token, in a process of its own: a log-in holds for the whole process and is others' too."""
    pytest.importorskip("pkcs11")
    arguments = [softhsm.module, softhsm.token_label, softhsm.pin_file, key.hex(), *(found.hex() for found in messages)]
    command = [sys.executable, "-c", _TOKEN_CMAC, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return [bytes.fromhex(line) for line in done.stdout.split()]


def test_session_keys_from_a_token(softhsm: Any, scp_keys: Callable[..., ScpKeys]) -> None:
    """§10: with one CMAC per 16 bytes the static key stays in the token; the result is what `derive` gives."""
    key = scp_keys(32).mac
    joined = b"".join(_token_cmac(softhsm, key, *prf_inputs(Constant.S_MAC, bytes(16), 32)))
    assert joined == bytes(derive(key, Constant.S_MAC, bytes(16), 32))


# -- over PC/SC ------------------------------------------------------------------------------------------------


@pytest.fixture
def blank_card(private_pcscd: PrivatePcscd) -> Iterator[None]:
    """A fresh open card in the first slot of the private reader."""
    private_pcscd.remove(0)
    card = subprocess.Popen(private_pcscd.inside([sys.executable, "-c", _BLANK_CARD, str(PORTS[0])]))
    try:
        private_pcscd.wait_for_card(0, present=True)
        yield
    finally:
        card.terminate()
        card.wait()
        private_pcscd.wait_for_card(0, present=False)


@pytest.mark.pcsc
@pytest.mark.usefixtures("blank_card")
def test_opensc_tool_talks_to_the_card(private_pcscd: PrivatePcscd) -> None:
    """Raw APDUs through OpenSC: SELECT, card recognition data, INITIALIZE UPDATE."""
    require_programs("opensc-tool")
    commands = ["00A4040000", "80CA006600", "8050300008010203040506070800"]
    arguments = [part for command in commands for part in ("-s", command)]
    command = ["opensc-tool", "--reader", READERS[0], "--card-driver", "default", *arguments]
    done = subprocess.run(
        command, env=private_pcscd.environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.count("SW1=0x90, SW2=0x00") == len(commands)
    assert "30 03 70" in done.stdout


@pytest.mark.pcsc
@pytest.mark.usefixtures("blank_card")
def test_yubikit_lives_a_life_over_pcsc() -> None:
    """Authenticate, store, put a key set, authenticate with it, through pyscard and pcscd."""
    system = _pyscard()
    from yubikit.core import TRANSPORT, Tlv
    from yubikit.core.smartcard import SmartCardConnection
    from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, StaticKeys
    from yubikit.securitydomain import SecurityDomainSession

    (reader,) = [reader for reader in system.readers() if str(reader) == READERS[0]]
    connection = reader.createConnection()
    connection.connect()

    class OverPcsc(SmartCardConnection):
        transport = TRANSPORT.USB

        def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
            data, sw1, sw2 = connection.transmit(list(apdu))
            return bytes(data), sw1 << 8 | sw2

    try:
        session = SecurityDomainSession(OverPcsc())
        session.authenticate(Scp03KeyParams(KeyRef(1, 0x30), StaticKeys.default()))
        session.store_data(Tlv(0x42, b"issuer"))
        new = StaticKeys(*(bytes(range(start, start + 16)) for start in (0x00, 0x10, 0x20)))
        session.put_key(KeyRef(1, 0x31), new, 0x30)
        session = SecurityDomainSession(OverPcsc())
        session.authenticate(Scp03KeyParams(KeyRef(1, 0x31), new))
        assert session.get_data(0x42) == b"issuer"
    finally:
        connection.disconnect()
        connection.release()


def _pyscard() -> Any:
    """Pyscard's module of readers; its absence skips the test, and fails it where `CI` is set."""
    try:
        from smartcard import System
    except ImportError:
        message = "pyscard is not installed: pip install 'mykey[pcsc]'"
        if os.environ.get("CI", "").lower() in {"true", "1"}:
            pytest.fail(message)
        pytest.skip(message)
    return System


@pytest.mark.pcsc
@pytest.mark.usefixtures("blank_card")
def test_our_session_over_pcsc(default_keys: ScpKeys) -> None:
    """The reader's own connection carries a secure channel: the same steps with our `SecurityDomainSession`."""
    from mykey_cardap.globalplatform.security_domain import SecurityDomainSession
    from mykey_cardap.pcsc import CardConnection, load_backend

    with CardConnection(load_backend("ctypes"), READERS[0]) as connection, connection.transaction():
        session = SecurityDomainSession(connection)
        session.authenticate(default_keys)
        session.store_data(b"\x42\x06issuer")
        assert session.get_data(0x42) == b"issuer"
