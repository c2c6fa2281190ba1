"""The documentation: links lead somewhere, and every command that a page names exists with the options it names."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mykey_core.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```[^\n]*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|[&;|]\s*|\s\$\(|-c ')\s*(?:\.venv/bin/)?mykey (?=[a-z])")
_TARGET = re.compile(r"\bmake ([a-z]+(?: [a-z]+)*)")
_END = re.compile(r"\s(?:[&;|#<>]|>>)|…|\.\.\.|\s[（(]")


def _names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def _code_lines(page: Path) -> Iterator[str]:
    """Each line of code on a page, in blocks and in the text; a line continued with a backslash is one."""
    for block, words in _CODE.findall(page.read_text(encoding="utf-8")):
        yield from (block or words).replace("\\\n", " ").splitlines()


def _commands(page: Path) -> Iterator[list[str]]:
    """The arguments of each call of `mykey` on a page."""
    for line in _code_lines(page):
        for found in _COMMAND.finditer(line):
            rest = _END.split(line[found.end() :], maxsplit=1)[0].strip("'\"` ;")
            try:
                yield shlex.split(rest)
            except ValueError:
                yield rest.split()


def _wrong(arguments: list[str]) -> str | None:
    """What of a call does not exist; None when all of it does. Placeholders and values are not judged."""
    command: click.Command = main
    context = click.Context(main)
    for word in arguments:
        if word.startswith("-"):
            flag = word.strip("[]").partition("=")[0]
            known = {name for option in command.get_params(context) for name in (*option.opts, *option.secondary_opts)}
            if flag not in known:
                return f"{command.name} has no {flag}"
        elif isinstance(command, click.Group) and re.fullmatch("[a-z][a-z0-9-]*", word):
            found = command.get_command(context, word)
            if found is None:
                return f"{command.name} has no command {word}"
            command, context = found, click.Context(found, parent=context)
    return None


@pytest.mark.parametrize("page", _names(PAGES))
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link and every picture of a page exists in the tree that is committed."""
    path = ROOT / page
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    links = [link.partition("#")[0] for link in _LINK.findall(path.read_text(encoding="utf-8"))]
    local = [(path.parent / link).resolve() for link in links if link and "://" not in link and "mailto:" not in link]
    missing = [str(target) for target in local if not target.exists()]
    if tracked:  # a source archive has no history
        missing += [
            str(target) for target in local if target.is_file() and str(target.relative_to(ROOT)) not in tracked
        ]
    assert missing == []


@pytest.mark.parametrize("page", _names(PAGES))
def test_commands_exist(page: str) -> None:
    """Every `mykey …` on a page names a command that there is, and options that it has."""
    assert [wrong for arguments in _commands(ROOT / page) if (wrong := _wrong(arguments))] == []


@pytest.mark.parametrize("page", _names(PAGES))
def test_make_targets_exist(page: str) -> None:
    """Every `make …` on a page is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for line in _code_lines(ROOT / page) for names in _TARGET.findall(line) for name in names.split()}
    assert named - targets == set()


def test_a_wrong_command_would_be_seen() -> None:
    """The judge itself: right calls pass, a misspelt command and an unknown option do not."""
    assert _wrong(["card", "show", "--json"]) is None
    assert _wrong(["card", "shwo"]) == "card has no command shwo"
    assert _wrong(["demo", "--chek"]) == "demo has no --chek"


def test_commands_are_found_at_all() -> None:
    """The how-to pages and README call the program: the reader of code lines finds it."""
    assert ["demo", "--check"] in list(_commands(ROOT / "README.md"))
    assert sum(len(list(_commands(page))) for page in PAGES) > 40
