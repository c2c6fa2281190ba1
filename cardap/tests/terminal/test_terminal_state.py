"""The state directory and the device key: private, written whole, and signing what RFC 7523 asks."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from mykey_terminal import files
from mykey_terminal.device_key import DeviceKey
from mykey_terminal.enrolment import Enrolment, StateDirectory
from mykey_terminal.errors import NotEnrolledError, StateError, UnsafePermissionsError
from mykey_terminal.files import make_private_directory, write_private
from mykey_terminal.pending import PendingTap, PendingTaps

RFC8037_PRIVATE = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_private_directory(tmp_path / "state")
    return tmp_path / "state"


def test_key_file_is_private_and_openssl_reads_it(folder: Path) -> None:
    """The key file has mode 0600 in a folder of mode 0700, and openssl finds the same public key in it."""
    key = DeviceKey.generate()
    key.save(folder / "key.pem")
    assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    command = ["openssl", "pkey", "-in", folder / "key.pem", "-pubout", "-outform", "DER"]
    public = subprocess.run(command, check=True, capture_output=True).stdout[-32:]
    assert OKPKey.import_key(key.public_jwk).public_key.public_bytes_raw() == public
    assert DeviceKey.load(folder / "key.pem").thumbprint == key.thumbprint


def test_thumbprint_is_that_of_rfc_8037() -> None:
    """The worked example of RFC 8037 appendix A.3 gives the same thumbprint, and `repr` shows no key."""
    key = DeviceKey(OKPKey.import_key(RFC8037_PRIVATE))
    assert key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert key.public_jwk == {name: RFC8037_PRIVATE[name] for name in ("kty", "crv", "x")}
    assert RFC8037_PRIVATE["d"] not in repr(key)


def test_assertions_are_never_equal() -> None:
    """Two assertions of one moment differ, so that the hub can refuse a repeated one."""
    key = DeviceKey.generate()
    first, second = (key.assertion(subject="t", audience="a", now=NOW) for _ in range(2))
    assert first != second


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_key_that_others_may_reach_is_refused(folder: Path, mode: int) -> None:
    """A key file that group or others may read or write is not used."""
    DeviceKey.generate().save(folder / "key.pem")
    (folder / "key.pem").chmod(mode)
    with pytest.raises(UnsafePermissionsError, match="chmod 600"):
        DeviceKey.load(folder / "key.pem")


def test_folder_that_others_may_reach_is_refused(folder: Path) -> None:
    """Whoever may write the folder could replace the key, so an open folder is refused too."""
    DeviceKey.generate().save(folder / "key.pem")
    folder.chmod(0o755)
    with pytest.raises(UnsafePermissionsError, match="chmod 700"):
        DeviceKey.load(folder / "key.pem")


def test_symbolic_link_is_refused(folder: Path) -> None:
    """A link in place of the key is not followed."""
    DeviceKey.generate().save(folder / "real.pem")
    (folder / "key.pem").symlink_to(folder / "real.pem")
    with pytest.raises(UnsafePermissionsError, match="symbolic link"):
        DeviceKey.load(folder / "key.pem")


def test_damaged_and_foreign_keys_are_refused(folder: Path) -> None:
    """Neither cut-off PEM nor another kind of key is taken for a device key, and neither is quoted."""
    write_private(folder / "key.pem", b"-----BEGIN PRIVATE KEY-----\nMC4CAQ\n")
    with pytest.raises(StateError, match="no private key") as failure:
        DeviceKey.load(folder / "key.pem")
    assert "MC4CAQ" not in str(failure.value)
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "X25519", "-out", folder / "key.pem"], check=True, capture_output=True
    )
    with pytest.raises(StateError, match="no Ed25519 key"):
        DeviceKey.load(folder / "key.pem")


def test_write_that_fails_leaves_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fails in the middle, the file is the old one and no draft stays behind."""
    write_private(folder / "terminal.json", b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StateError, match="No space left"):
        write_private(folder / "terminal.json", b"new")
    assert [file.name for file in folder.iterdir()] == ["terminal.json"]
    assert (folder / "terminal.json").read_bytes() == b"old"


def test_empty_and_damaged_state_say_what_to_do(folder: Path) -> None:
    """No terminal and a damaged one are told apart."""
    with pytest.raises(NotEnrolledError, match="mykey terminal enrol"):
        StateDirectory(folder).load()
    write_private(folder / "terminal.json", b'{"hub_origin": "https://hub.example.jp"}')
    with pytest.raises(StateError, match="damaged"):
        StateDirectory(folder).load()


def test_terminal_file_holds_no_secret(enrolled: Enrolment, state: StateDirectory) -> None:
    """`terminal.json` has neither the key nor the one-time code."""
    text = (state.path / "terminal.json").read_text()
    assert json.loads(text)["terminal_id"] == enrolled.terminal_id
    assert "KONNICHIWA" not in text
    assert "PRIVATE" not in text
    assert state.load()[0] == enrolled


def test_pending_taps_survive_and_end(folder: Path) -> None:
    """A note is there for the next process, whatever characters the hub's id has, until it is removed."""
    tap = PendingTap(tap_id="../../etc/passwd", service="library", action="open", expires_at=NOW)
    PendingTaps(folder / "pending").add(tap)
    assert PendingTaps(folder / "pending").all() == [tap]
    assert not (folder.parent / "etc").exists()
    PendingTaps(folder / "pending").remove(tap.tap_id)
    assert PendingTaps(folder / "pending").all() == []
