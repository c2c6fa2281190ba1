"""The reference page of the problem codes is the one that the code writes."""

from __future__ import annotations

from pathlib import Path

from mykey_web.problem_list import as_markdown, problem_codes


def test_the_reference_page_is_up_to_date() -> None:
    """`docs/reference/problems.md` equals the output of `mykey hub problems --markdown`."""
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "problems.md"
    assert page.read_text(encoding="utf-8") == as_markdown(problem_codes())
