"""The reference page of hub.toml is made from the models, and every member is explained in three languages."""

from __future__ import annotations

from pathlib import Path

from mykey_core.administration.setting_members import members
from mykey_core.administration.setting_reference import missing_words, replaced
from mykey_core.translations import LANGUAGES, load_catalogue

_PAGE = Path(__file__).parents[2] / "docs/reference/settings.md"


def test_the_page_is_that_of_the_models() -> None:
    """`mykey hub settings` prints what the page has."""
    page = _PAGE.read_text(encoding="utf-8")
    assert replaced(page) == page


def test_every_member_is_explained() -> None:
    """A new member without wording is noticed; wording of a member that is gone, too."""
    assert missing_words() == []
    words = load_catalogue("mykey_core.administration", "administration")
    for language in LANGUAGES:
        assert set(words.texts[language]) == {one.wording for one in members()}


def test_pages_change_no_door() -> None:
    """Nothing that leads to a key, an address, an anchor or the checks themselves can be changed on a page."""
    changeable = {one.name.partition(".")[0] for one in members() if one.on_pages}
    assert changeable <= {"sessions", "counter", "jobs"}
