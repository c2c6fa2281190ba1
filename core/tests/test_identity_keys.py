"""The key file: its permissions, its forms, and new epochs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mykey_core.errors import ConfigurationError
from mykey_core.keys.file import FileKeys, create_keys, load_keys
from mykey_core.keys.provider import KeyUnavailable, Purpose


def test_keys_are_private_and_never_overwritten(tmp_path: Path) -> None:
    """The file has mode 0600, a second creation fails, and loading gives the same keys."""
    path = tmp_path / "keys.json"
    keys = create_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_keys(path) == keys
    with pytest.raises(FileExistsError):
        create_keys(path)


def test_keys_that_others_can_read_are_refused(tmp_path: Path) -> None:
    """A file with mode 0644 stops the start with what to do."""
    path = tmp_path / "keys.json"
    create_keys(path)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="0600"):
        load_keys(path)


@pytest.mark.parametrize(
    "content", ["", "{}", '{"version": 3, "keys": {}}', '{"version": 2, "keys": {"credential": {"1": "00"}}}']
)
def test_damaged_keys_are_refused(tmp_path: Path, content: str) -> None:
    """A file that is no key file is refused with where to look."""
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="restore"):
        load_keys(path)


def test_the_first_form_of_the_file_is_read(tmp_path: Path) -> None:
    """A file of the first version, with one key a purpose, keeps working as epoch 1."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"credential_key": "11" * 32, "pairwise_pepper": "22" * 32}))
    path.chmod(0o600)
    keys = load_keys(path)
    assert keys.keys == {Purpose.CREDENTIAL: {1: b"\x11" * 32}, Purpose.PAIRWISE: {1: b"\x22" * 32}}


def test_a_new_epoch_is_on_disk_before_it_is_used(tmp_path: Path) -> None:
    """A new key is in the file, with mode 0600, and another process finds it by `refresh`."""
    path = tmp_path / "keys.json"
    keys = create_keys(path)
    elsewhere = load_keys(path)
    assert keys.add_epoch(Purpose.PAIRWISE) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyUnavailable):
        elsewhere.mac(Purpose.PAIRWISE, 2, b"")
    assert elsewhere.refresh()
    assert not elsewhere.refresh()
    assert elsewhere.mac(Purpose.PAIRWISE, 2, b"") == keys.mac(Purpose.PAIRWISE, 2, b"")
    assert keys.epochs(Purpose.CREDENTIAL) == (1,)


def test_keys_do_not_show_in_repr(tmp_path: Path) -> None:
    """No key appears in the object's text."""
    keys = create_keys(tmp_path / "keys.json")
    for epochs in keys.keys.values():
        assert repr(epochs[1]) not in repr(keys)
        assert epochs[1].hex() not in repr(keys)


def test_keys_in_memory_have_no_file() -> None:
    """Keys without a path never look for one."""
    keys = FileKeys({purpose: {1: bytes(32)} for purpose in Purpose})
    assert not keys.refresh()
    assert keys.add_epoch(Purpose.CREDENTIAL) == 2
