"""References and pairwise ids against published values and their own promises."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from mykey_core.identity.references import Label, pairwise_id, references
from mykey_core.keys.file import FileKeys, create_keys
from mykey_core.keys.provider import Purpose

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
    keys = FileKeys({purpose: {1: bytes(range(32))} for purpose in Purpose})
    assert pairwise_id(keys, 1, sector, _PERSON) == expected


def test_references_of_one_content_differ_by_label_epoch_and_town(tmp_path: Path) -> None:
    """The same serial gives unlike references as a credential, as a MyKey ID, in another epoch and in another town."""
    own, other = create_keys(tmp_path / "own.json"), create_keys(tmp_path / "other.json")
    before = references(own, Label.CREDENTIAL, b"12345678")
    own.add_epoch(Purpose.CREDENTIAL)
    after = references(own, Label.CREDENTIAL, b"12345678")
    assert after[1:] == before
    everything = {
        *after,
        *references(own, Label.MYKEY_ID, b"12345678"),
        *references(other, Label.CREDENTIAL, b"12345678"),
    }
    assert len(everything) == 5
