"""The list of all problem codes with status and wording, for `mykey hub problems` and the reference page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mykey_core.translations import load_catalogue
from mykey_web.problems import status_of

_PREFIX, _SUFFIX = "refusal.", ".title"


@dataclass(frozen=True, slots=True)
class ProblemCode:
    """One code: its HTTP status when the hub says it, and its title in Japanese and English."""

    code: str
    status: int
    title_ja: str
    title_en: str

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def problem_codes() -> list[ProblemCode]:
    """All codes that the catalogue words, sorted."""
    catalogue = load_catalogue("mykey_web", "hub")
    keys = sorted(key for key in catalogue.texts["ja"] if key.startswith(_PREFIX) and key.endswith(_SUFFIX))
    codes = (key.removeprefix(_PREFIX).removesuffix(_SUFFIX) for key in keys)
    return [
        ProblemCode(
            code,
            status_of(code),
            catalogue.get(f"{_PREFIX}{code}{_SUFFIX}", "ja"),
            catalogue.get(f"{_PREFIX}{code}{_SUFFIX}", "en"),
        )
        for code in codes
    ]


def as_markdown(codes: list[ProblemCode]) -> str:
    """The reference page."""
    lines = [
        "# Problem codes",
        "",
        "Every error of the JSON API is a problem document (RFC 9457) with `code`, `title`, `detail` and `what_to_do` in the language of the request, and",
        "`type` = `urn:mykey:problem:<code>`. Codes that begin with `agent_`, `card_`, `pin_` or `reader_` come from the loopback agent. Codes are stable.",
        "This page is written by `mykey hub problems --markdown`.",
        "",
        "| code | status | 日本語 | English |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{code.code}` | {code.status} | {code.title_ja} | {code.title_en} |" for code in codes]
    return "\n".join(lines) + "\n"
