"""Keys in a PKCS#11 token: SoftHSM 2, started for these tests, stands for the town's hardware."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pkcs11
import pytest
from pkcs11.exceptions import PKCS11Error

from mykey_core.errors import ConfigurationError
from mykey_core.identity.people import People
from mykey_core.identity.rekey import Rekeying
from mykey_core.identity.settings import IdentitySettings, Pkcs11Settings
from mykey_core.keys.pkcs11 import TokenKeys, TokenSettings
from mykey_core.keys.provider import KeyUnavailable, Purpose
from mykey_testkit.identity import MUNICIPALITY, Register, numbered

pytestmark = pytest.mark.xdist_group("softhsm")


@pytest.fixture
def keys(softhsm: TokenSettings) -> TokenKeys:
    """Keys of the municipality in the token, made when they are missing."""
    provider = TokenKeys(softhsm, MUNICIPALITY)
    for purpose in Purpose:
        try:
            provider.epochs(purpose)
        except KeyUnavailable:
            provider.add_epoch(purpose)
    return provider


def test_the_token_hashes_and_keeps_the_key(keys: TokenKeys) -> None:
    """The same data give the same 32 bytes, another purpose gives others, and the key cannot be taken out."""
    one = keys.mac(Purpose.CREDENTIAL, 1, b"data")
    assert one == keys.mac(Purpose.CREDENTIAL, 1, b"data")
    assert len(one) == 32
    assert one != keys.mac(Purpose.PAIRWISE, 1, b"data")
    key = keys._key(Purpose.CREDENTIAL, 1)
    assert (key[pkcs11.Attribute.SENSITIVE], key[pkcs11.Attribute.EXTRACTABLE]) == (True, False)
    with pytest.raises(PKCS11Error):
        key[pkcs11.Attribute.VALUE]


def test_another_town_has_other_keys_in_the_same_token(softhsm: TokenSettings, keys: TokenKeys) -> None:
    """Keys are per municipality: the other town has none before it makes its own."""
    other = TokenKeys(softhsm, "102016")
    with pytest.raises(KeyUnavailable):
        other.mac(Purpose.CREDENTIAL, 1, b"data")
    other.add_epoch(Purpose.CREDENTIAL)
    assert other.mac(Purpose.CREDENTIAL, 1, b"data") != keys.mac(Purpose.CREDENTIAL, 1, b"data")


def test_many_threads_use_it_at_once(keys: TokenKeys) -> None:
    """Each thread has its own session; the answers are the same."""
    answers: list[bytes] = []

    def work() -> None:
        answers.extend(keys.mac(Purpose.CREDENTIAL, 1, b"data") for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 160
    assert len(set(answers)) == 1


def test_a_lost_session_is_opened_again(keys: TokenKeys) -> None:
    """After its session was closed underneath, the next question logs in anew."""
    before = keys.mac(Purpose.CREDENTIAL, 1, b"data")
    keys._threads.session.close()
    assert keys.mac(Purpose.CREDENTIAL, 1, b"data") == before


def test_a_register_works_with_the_token_and_rekeys(register: Register, keys: TokenKeys) -> None:
    """Persons are found by keys of the token, before and after a new epoch, from another process's view too."""
    register.people = People(MUNICIPALITY, keys)
    register.do(lambda session: register.people.enrol(session, numbered(1), register.clock()))
    assert register.find(numbered(1)) is not None
    keys.add_epoch(Purpose.CREDENTIAL)
    assert register.find(numbered(1)) is not None
    assert Rekeying(register.people, {}).run(register.database, Purpose.CREDENTIAL, register.clock()) == 1
    assert register.find(numbered(1)) is not None
    assert register.find(numbered(2)) is None


def test_settings_open_the_token(softhsm: TokenSettings, keys: TokenKeys) -> None:
    """The table [identity.pkcs11] of hub.toml takes the place of the key file."""
    own = Pkcs11Settings(module=softhsm.module, token_label=softhsm.token_label, pin_file=softhsm.pin_file)
    opened = IdentitySettings(pkcs11=own).open_keys(Path("nowhere"), MUNICIPALITY)
    assert opened.mac(Purpose.CREDENTIAL, 1, b"x") == keys.mac(Purpose.CREDENTIAL, 1, b"x")


def test_a_wrong_pin_stops_the_start(softhsm: TokenSettings, tmp_path: Path) -> None:
    """In a new process (a token stays logged in for a whole process) a wrong PIN is a configuration error."""
    wrong = tmp_path / "pin"
    wrong.write_text("0000")
    wrong.chmod(0o600)
    program = (
        "import sys; from pathlib import Path; from mykey_core.keys.pkcs11 import TokenKeys, TokenSettings\n"
        "TokenKeys(TokenSettings(Path(sys.argv[1]), sys.argv[3], Path(sys.argv[2])), '132217')"
    )
    command = [sys.executable, "-c", program, str(softhsm.module), str(wrong), softhsm.token_label]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "ConfigurationError: pkcs11: the token cannot be used: PinIncorrect" in done.stderr


def test_what_is_wrong_stops_the_start(softhsm: TokenSettings, tmp_path: Path) -> None:
    """An unknown token, a PIN that others can read, a missing file: each says what to do."""
    wrong = tmp_path / "pin"
    wrong.write_text("0000")
    with pytest.raises(ConfigurationError, match="no such token"):
        TokenKeys(TokenSettings(softhsm.module, "elsewhere", softhsm.pin_file), MUNICIPALITY)
    wrong.chmod(0o644)
    with pytest.raises(ConfigurationError, match="0600"):
        TokenKeys(TokenSettings(softhsm.module, "town", wrong), MUNICIPALITY)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        TokenKeys(TokenSettings(softhsm.module, "town", tmp_path / "none"), MUNICIPALITY)
