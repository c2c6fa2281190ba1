"""References and pairwise ids against published values and their own promises."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from mykey_core.errors import ConfigurationError
from mykey_core.identity.keys import create_keys, load_keys
from mykey_core.identity.references import pairwise_id

_PERSON = UUID("6f1e9d0a-3c58-4b7e-9f21-0d4c5a6b7e80")


@pytest.mark.parametrize(
    ("sector", "expected"),
    [
        ("points.maebashi.example.jp", "Gkd7wD7pZIqeX0b1YtYSqtN1UHHc0i68BuXZ_ROcoGg"),
        ("library.maebashi.example.jp", "RPm7xhxsTmLECJ15d_tZW5KViLrrakYTraR0pKkxWHc"),
    ],
)
def test_pairwise_vectors(sector: str, expected: str) -> None:
    """The vectors of authentication-hub §13."""
    assert pairwise_id(bytes(range(32)), sector, _PERSON) == expected


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


def test_keys_do_not_show_in_repr(tmp_path: Path) -> None:
    """Neither key appears in the object's text."""
    keys = create_keys(tmp_path / "keys.json")
    assert keys.credential_key.hex() not in repr(keys)
    assert repr(keys.pairwise_pepper) not in repr(keys)
