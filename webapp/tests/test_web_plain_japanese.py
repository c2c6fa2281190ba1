"""Plain Japanese (やさしい日本語) of what citizens read: it is there, and which characters may stand in it.

A Chinese character is one of the 80 of the first school year, or its word has its reading in brackets behind it, at
its first place in the text; the three parts of a refusal are shown together and count as one text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

import pytest

from mykey_core.translations import load_catalogue

# 学年別漢字配当表, first year (Ministry of Education, 2017)
FIRST_YEAR = frozenset(
    "一右雨円王音下火花貝学気九休玉金空月犬見五口校左三山子四糸字耳七車手十出女小上森人水正生青夕石赤千川先早草足村大男"
    "竹中虫町天田土二日入年白八百文木本名目立力林六"
)
CATALOGUES = (
    ("mykey_web.portal", "portal"),
    ("mykey_web", "hub"),
    ("mykey_core.audit", "audit"),
    ("mykey_library", "library"),
    ("mykey_taxi", "taxi"),
)
_WORD = re.compile(r"([\u4e00-\u9fff々]+)(（[\u3041-\u309fー]+）)?")
_PART = re.compile(r"(?<=^refusal\.)(\w+)\.(title|text|what_to_do)$")


def unread(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Key → words that a beginner cannot read there."""
    together: dict[str, list[str]] = defaultdict(list)
    for key, text in texts.items():
        together[_PART.sub(r"\1", key)].append(text)
    found = {key: _unread_in(" ".join(parts)) for key, parts in together.items()}
    return {key: words for key, words in found.items() if words}


def _unread_in(text: str) -> list[str]:
    known: set[str] = set()
    wrong = []
    for word, reading in _WORD.findall(text):
        if reading:
            known.add(word)
        elif word not in known and not FIRST_YEAR.issuperset(word):
            wrong.append(word)
    return wrong


@pytest.mark.parametrize(("package", "domain"), CATALOGUES)
def test_a_beginner_can_read_it(package: str, domain: str) -> None:
    """No word without its reading."""
    assert unread(load_catalogue(package, domain).texts["ja-Hira"]) == {}


@pytest.mark.parametrize(("package", "domain"), CATALOGUES)
def test_nothing_is_copied_from_the_ordinary_wording(package: str, domain: str) -> None:
    """Each key is there, and a text with Chinese characters is not simply the ordinary one again."""
    texts = load_catalogue(package, domain).texts
    assert set(texts["ja-Hira"]) == set(texts["ja"])
    copied = [key for key, text in texts["ja-Hira"].items() if text == texts["ja"][key] and _unread_in(text)]
    assert copied == []


def test_the_judge_is_awake() -> None:
    """What is allowed and what is not."""
    assert (
        unread({"a": "本（ほん）を かりる 人", "b": "電子証明書（でんししょうめいしょ）を みる。電子証明書です。"})
        == {}
    )
    assert unread({"a": "電子証明書を みる"}) == {"a": ["電子証明書"]}
    shown_together = {"refusal.x.title": "期限（きげん）", "refusal.x.text": "期限が きれました"}
    assert unread(shown_together) == {}
