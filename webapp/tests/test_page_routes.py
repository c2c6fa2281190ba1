"""What the hub serves for the service-point page, without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import mykey_web
from mykey_core.translations import LANGUAGES
from mykey_testkit.hub import HubHarness

STATIC = Path(str(mykey_web.__file__)).parent / "static"


@pytest.fixture
def client(library_hub: HubHarness) -> FlaskClient:
    return library_hub.app.test_client()


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [
        ("", "en-GB,ja;q=0.5", "en"),
        ("", "fr", "ja"),
        ("?lang=ja-Hira", "en", "ja-Hira"),
        ("?lang=<script>", "en", "en"),
    ],
)
def test_language_of_the_shell(client: FlaskClient, query: str, accepted: str, language: str) -> None:
    """`?lang=` wins over the browser's languages; what we do not speak becomes Japanese."""
    page = client.get(f"/point{query}", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{language}">' in page
    assert f'data-language="{language}" aria-pressed="true"' in page
    assert "&lt;" not in page
    assert "page." not in re.sub(r'data-(text|label)="[^"]*"', "", page), "a key without wording"


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_as_json(client: FlaskClient, language: str) -> None:
    answer = client.get(f"/point/texts/{language}.json")
    assert answer.headers["Content-Language"] == language
    assert {"page.title", "refusal.pin_blocked.title", "check.path"} <= set(answer.get_json())
    again = client.get(f"/point/texts/{language}.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_unknown_language_is_not_found(client: FlaskClient) -> None:
    assert client.get("/point/texts/xx.json").status_code == 404


def test_everything_the_shell_names_is_there(client: FlaskClient) -> None:
    """Scripts, style sheets and pictures are our own files, and each is served with the right type."""
    page = client.get("/point").text
    named = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(named) > 8
    for address in named:
        with client.get(address) as answer:
            assert answer.status_code == 200, address
    for script in (STATIC / "point").rglob("*.js"):
        for wanted in re.findall(r'from "(\.[^"]+)"', script.read_text()):
            assert (script.parent / wanted).is_file(), f"{script.name} imports {wanted}"


def test_nothing_that_a_strict_policy_forbids(client: FlaskClient) -> None:
    """No inline script or style, no HTML built from text, no address of another host."""
    page = client.get("/point").text
    assert re.findall(r"<script(?![^>]*src=)|\sstyle=|\son\w+=|javascript:", page) == []
    for path in [*(STATIC / "point").rglob("*.js"), *STATIC.rglob("*.svg"), *STATIC.rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert "innerHTML" not in text, path.name
        assert "eval(" not in text, path.name
        hosts = set(re.findall(r"https?://[^\s\"'`]+", text)) - {"http://www.w3.org/2000/svg"}
        assert {host for host in hosts if not host.startswith("http://127.0.0.1:")} == set(), path.name
