"""The catalogues of the hub against the codes and keys that the programs use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mykey_core
import mykey_terminal
import mykey_web
from mykey_core.authentication.reasons import ALL_REASONS
from mykey_core.card_writing.errors import WritingCode
from mykey_core.consent.errors import ConsentCode
from mykey_core.identity.states import REFUSAL_CODES, CredentialStatus, PersonState
from mykey_core.translations import LANGUAGES, load_catalogue
from mykey_core.trust.types import Check
from mykey_terminal import problems
from mykey_web import problems as hub_problems

CATALOGUE = load_catalogue("mykey_web", "hub")
WEB = Path(str(mykey_web.__file__)).parent
PARTS = ("title", "text", "what_to_do")
# Words of the sources that raise or answer with a code: class, perhaps a status, and the code in quotes.
_RAISED = re.compile(
    r"\b(?:Refusal|TapRefused|TerminalRefused|AgentError|PairingError|Problem|problem_response)"
    r'\(\s*(?:(?:\d+|status),\s*)?"([a-z_]+)"'
)
# What the contract of the API names although no code raises it by itself yet.
_CONTRACT = {"plugin_quarantined"}
_CLASS_CODE = re.compile(r'^    code(?:: ClassVar\[str\])? = "(\w+)"$', re.MULTILINE)


def _sources(package_file: str | None) -> Iterator[str]:
    """The text of every module, but of `mykey sign`, a command that words its own errors."""
    for path in Path(str(package_file)).parent.rglob("*.py"):
        if path.parent.name != "signing":
            yield path.read_text(encoding="utf-8")


def known_codes() -> set[str]:
    """Every refusal code that can reach a person, gathered from the programs themselves."""
    codes = set(ALL_REASONS) | _CONTRACT | REFUSAL_CODES | set(ConsentCode) | set(WritingCode)
    for package in (mykey_core, mykey_terminal, mykey_web):
        codes |= {code for text in _sources(package.__file__) for code in _RAISED.findall(text)}
    codes |= set(hub_problems._STATUS) | set(hub_problems._HTTP_CODES.values())
    codes |= {code for _, code, _ in problems._CARD_CODES}
    codes |= {code for text in _sources(mykey_terminal.__file__) for code in _CLASS_CODE.findall(text)}
    return codes


def worded_codes(language: str) -> set[str]:
    return {key.split(".")[1] for key in CATALOGUE.texts[language] if key.startswith("refusal.")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_code_is_worded(language: str) -> None:
    """A code that a program can answer with has a title, a text and what to do, in each language."""
    texts = CATALOGUE.texts[language]
    missing = [f"refusal.{code}.{part}" for code in sorted(known_codes()) for part in PARTS]
    assert [key for key in missing if not texts.get(key)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_refusal_is_worded_for_nothing(language: str) -> None:
    """Wording for a code that no program knows is a leftover or a misspelling."""
    assert worded_codes(language) - known_codes() == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_have_the_same_keys(language: str) -> None:
    assert set(CATALOGUE.texts[language]) == set(CATALOGUE.texts["ja"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_have_the_same_fields(language: str) -> None:
    """A `{field}` that a translation forgets would silently drop a number from the sentence."""
    fields = re.compile(r"\{(\w+)\}")
    for key, text in CATALOGUE.texts["ja"].items():
        assert set(fields.findall(CATALOGUE.texts[language][key])) == set(fields.findall(text)), key


def _page_sources() -> str:
    scripts = (WEB / "static" / "point").rglob("*.js")
    templates = (WEB / "templates").rglob("*.html")
    return "\n".join(path.read_text(encoding="utf-8") for path in (*scripts, *templates))


def test_page_and_catalogue_agree() -> None:
    """Every key that the page names exists, and every `page.` key is named; `page.x.${…}` names all below it."""
    source = _page_sources()
    exact = set(re.findall(r'["\'`](page\.[\w.]*\w)["\'`]', source))
    prefixes = tuple(set(re.findall(r"`(page\.[\w.]*)\$\{", source)))
    keys = {key for key in CATALOGUE.texts["ja"] if key.startswith("page.")}
    assert exact - keys == set()
    assert {key for key in keys - exact if not key.startswith(prefixes)} == set()


def test_checks_have_names_and_the_page_knows_their_order() -> None:
    """The page adds the checks that were not reached: its list must be the core's, after the nonce."""
    listed = re.findall(r'^  "(\w+)",$', (WEB / "static/point/hood.js").read_text(), re.MULTILINE)
    assert listed == [check.value for check in Check if check is not Check.NONCE]
    assert {key for key in CATALOGUE.texts["ja"] if key.startswith("check.")} == {f"check.{check}" for check in Check}


def test_states_of_persons_and_credentials_have_names() -> None:
    """Every state that a citizen can be shown has a name."""
    wanted = {f"identity.person.{state}" for state in PersonState}
    wanted |= {f"identity.credential.{status}" for status in CredentialStatus}
    assert {key for key in CATALOGUE.texts["ja"] if key.startswith("identity.")} == wanted


def test_plain_japanese_is_plain() -> None:
    """Plain Japanese sets words apart and uses far fewer Chinese characters than the ordinary wording."""

    def share(language: str) -> float:
        text = "".join(CATALOGUE.texts[language].values())
        return len(re.findall(r"[\u4e00-\u9fff]", text)) / len(text)

    assert share("ja-Hira") < share("ja") / 3
