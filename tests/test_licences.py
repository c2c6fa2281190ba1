"""The licences of what is shipped with `mykey`: permissive ones only, of every runtime dependency, however deep."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

_COPYLEFT = re.compile(r"\b(A?GPL|GNU (AFFERO )?GENERAL PUBLIC)", re.IGNORECASE)
_LESSER = re.compile(r"\b(LGPL|LESSER GENERAL PUBLIC)", re.IGNORECASE)
_TEXT_LENGTH = 200  # some projects put the whole text of a licence into the field: its beginning names it


def _stated(found: Distribution) -> str:
    """What a distribution says of its licence: the SPDX expression, the classifiers, or the old field."""
    fields = found.metadata
    classifiers = [line for line in fields.get_all("Classifier") or [] if line.startswith("License ::")]
    said = [fields.get("License-Expression") or "", *classifiers, (fields.get("License") or "")[:_TEXT_LENGTH]]
    return " | ".join(said) if any(said) else _licence_file(found)


def _licence_file(found: Distribution) -> str:
    """The beginning of the licence's text, for a distribution that states it nowhere else (huey)."""
    texts = [file for file in found.files or () if ".dist-info" in str(file) and "LICENSE" in file.name.upper()]
    return " ".join(file.read_text()[:_TEXT_LENGTH] for file in texts)


def _runtime(name: str, extras: frozenset[str], known: dict[str, Distribution]) -> None:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return  # an extra that is not installed here
    known[name.lower()] = found
    for text in found.requires or []:
        wanted = Requirement(text)
        if not any(
            wanted.marker is None or wanted.marker.evaluate({"extra": extra}) for extra in extras | frozenset({""})
        ):
            continue
        if wanted.name.lower() not in known:
            _runtime(wanted.name, frozenset(wanted.extras), known)


@pytest.fixture(scope="module")
def shipped() -> dict[str, Distribution]:
    """Every installed distribution that `mykey` with all its extras needs at run time."""
    known: dict[str, Distribution] = {}
    _runtime("mykey", frozenset({"pcsc", "postgres", "pkcs11"}), known)
    return known


def test_the_whole_tree_is_looked_at(shipped: dict[str, Distribution]) -> None:
    """Direct and indirect dependencies are found, so that the next test looks at what is shipped."""
    assert {"mykey", "flask", "werkzeug", "cryptography", "cffi", "sqlalchemy"} <= shipped.keys()


def test_every_dependency_states_a_licence_that_is_not_gpl(shipped: dict[str, Distribution]) -> None:
    """No GPL or AGPL (the Lesser GPL, which lets itself be linked to, is allowed), and nothing unstated."""
    stated = {name: _stated(found) for name, found in shipped.items()}
    assert [name for name, text in stated.items() if not text.strip(" |")] == []
    assert {name: text for name, text in stated.items() if _COPYLEFT.search(text) and not _LESSER.search(text)} == {}


@pytest.mark.parametrize(
    "text", ["GPL-3.0-or-later", "License :: OSI Approved :: GNU Affero General Public License v3"]
)
def test_a_gpl_would_be_seen(text: str) -> None:
    """The pattern finds both spellings."""
    assert _COPYLEFT.search(text)
    assert not _LESSER.search(text)
