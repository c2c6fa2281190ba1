"""Settings of a plugin: typed, with suggestions, and secrets by the environment only."""

from __future__ import annotations

from typing import Any

import pytest

from mykey_core.errors import MykeyError
from mykey_core.plugins.typed_settings import Setting, typed

DECLARED = (
    Setting(name="loan_days", title={"ja": "日数"}, type="integer", default=14, minimum=1, maximum=60),
    Setting(name="mode", title={"ja": "方式"}, type="choice", default="open", choices=("open", "closed")),
    Setting(name="title", title={"ja": "名"}, type="text"),
    Setting(name="api-key".replace("-", "_"), title={"ja": "鍵"}, type="secret"),
)
ENVIRONMENT = {"MYKEY_MY_LIBRARY_API_KEY": "canary-secret"}


def read(**given: Any) -> Any:
    return typed("my-library", DECLARED, given, ENVIRONMENT)


def test_defaults_given_values_and_secrets() -> None:
    """All declared settings are there; `repr` shows names and no value."""
    settings = read(title="図書館", loan_days=21)
    assert dict(settings) == {"loan_days": 21, "mode": "open", "title": "図書館", "api_key": "canary-secret"}
    assert "canary" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"title": "x", "loan_day": 1}, "did you mean 'loan_days'"),
        ({}, "settings.title: it is missing"),
        ({"title": 1}, "not of the type text"),
        ({"title": "x", "loan_days": True}, "not of the type integer"),
        ({"title": "x", "loan_days": 61}, "is not from 1 to 60"),
        ({"title": "x", "mode": "half"}, "none of open, closed"),
        ({"title": "x", "api_key": "in the file"}, "MYKEY_MY_LIBRARY_API_KEY"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], words: str) -> None:
    """The setting, what is wrong with it, and what to do."""
    with pytest.raises(MykeyError, match=words):
        read(**given)


def test_a_missing_secret_names_its_variable() -> None:
    """So that the administrator knows what to set."""
    with pytest.raises(MykeyError, match="set the environment variable MYKEY_MY_LIBRARY_API_KEY"):
        typed("my-library", DECLARED, {"title": "x"}, {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "choice"},
        {"type": "text", "choices": ("a",)},
        {"type": "secret", "default": "x"},
        {"type": "integer", "default": "x"},
        {"type": "integer", "default": 0, "minimum": 1},
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    """A manifest cannot declare it."""
    with pytest.raises(ValueError, match=r"default|choice"):
        Setting(name="x", title={"ja": "x"}, **wrong)
