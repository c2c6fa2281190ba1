"""The list of all problem codes with their wording, for `mykey hub problems` and the reference page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mykey_core.translations import load_catalogue

_PREFIX, _SUFFIX = "refusal.", ".title"
_HEAD = """\
# Problem codes

Every error of the JSON API is a problem document (RFC 9457) with `status`, `code`, `title`, `detail` and
`what_to_do` in the language of the request, and `type` = `urn:mykey:problem:<code>`. The loopback agent answers in
the same form with codes of its own (`agent_…`, and what it saw of card and reader). Codes are stable.

This page is written by `mykey hub problems --markdown`.

| code | 日本語 | English |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class ProblemCode:
    """One code and its title in Japanese and English."""

    code: str
    title_ja: str
    title_en: str

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def problem_codes() -> list[ProblemCode]:
    """All codes that the catalogue words, sorted."""
    catalogue = load_catalogue("mykey_web", "hub")
    keys = sorted(key for key in catalogue.texts["ja"] if key.startswith(_PREFIX) and key.endswith(_SUFFIX))
    return [
        ProblemCode(key.removeprefix(_PREFIX).removesuffix(_SUFFIX), catalogue.get(key, "ja"), catalogue.get(key, "en"))
        for key in keys
    ]


def as_markdown(codes: list[ProblemCode]) -> str:
    """The reference page."""
    return _HEAD + "".join(f"| `{code.code}` | {code.title_ja} | {code.title_en} |\n" for code in codes)
