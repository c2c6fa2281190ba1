"""The reference page of `hub.toml`, made from the models and the wording; a test compares it with docs."""

from __future__ import annotations

from mykey_core.administration.setting_members import Member, members
from mykey_core.translations import load_catalogue

BEGIN = "<!-- written by `mykey hub settings`: begin -->\n"
END = "<!-- end -->\n"
_HEAD = "| member | what it is | form | default | environment |\n|---|---|---|---|---|\n"


def missing_words() -> list[str]:
    """Members that nobody has explained yet."""
    words = load_catalogue("mykey_core.administration", "administration")
    return [one.name for one in members() if not words.has(one.wording)]


def settings_markdown() -> str:
    """The generated part of the page: a table for each part of the file."""
    parts: dict[str, list[Member]] = {}
    for one in members():
        parts.setdefault(_part(one.name), []).append(one)
    return "\n".join(f"### {_title(part)}\n\n{_table(rows)}" for part, rows in parts.items())


def replaced(page: str) -> str:
    """The page with its generated part made anew; `ValueError` where the marks are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no marks for the generated part")
    return f"{before}{BEGIN}\n{settings_markdown()}\n{END}{after}"


def _part(name: str) -> str:
    pieces = name.split(".")
    if pieces[:2] == ["revocation", "sources"]:
        return ".".join(pieces[:3])
    return ".".join(pieces[:-1])


def _title(part: str) -> str:
    if not part:
        return "Top of the file"
    if part.startswith("revocation.sources."):
        return f'`[[revocation.sources]]` with `type = "{part.rpartition(".")[2]}"`'
    return f"`[{part}]`"


def _table(rows: list[Member]) -> str:
    return _HEAD + "".join(f"{_line(one)}\n" for one in rows)


def _line(one: Member) -> str:
    words = load_catalogue("mykey_core.administration", "administration")
    meaning = words.get(one.wording, "en")
    default = "–" if one.required else f"`{one.default}`" if one.default else "none"
    variable = f"`{one.variable}`" if one.variable else "–"
    return f"| `{one.name.rpartition('.')[2]}` | {meaning} | {one.form.replace('|', '/')} | {default} | {variable} |"
