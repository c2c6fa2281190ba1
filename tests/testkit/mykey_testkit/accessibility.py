"""A first look at a page's accessibility without a browser: what a screen reader needs and HTML can show.

It finds the faults that are in the markup itself. Contrast, focus and the order of reading need a browser and axe.
"""

from __future__ import annotations

from html.parser import HTMLParser

_LABELLED = frozenset({"input", "select", "textarea"})
_UNLABELLED_TYPES = frozenset({"hidden", "submit", "button", "image", "reset"})
_Attributes = dict[str, str]


class _Page(HTMLParser):
    """Collects what the rules look at."""

    def __init__(self) -> None:
        super().__init__()
        self.language = ""
        self.title = False
        self.headings: list[int] = []
        self.labelled: set[str] = set()
        self.fields: list[_Attributes] = []
        self.faults: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.language = given.get("lang", "")
        if tag in {"h1", "h2", "h3", "h4", "h5", "h6"}:
            self.headings.append(int(tag[1]))
        self._collect(tag, given)
        self._inline(tag, given)
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            continue

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "title" and data.strip() and "svg" not in self._open:
            self.title = True

    def _collect(self, tag: str, given: _Attributes) -> None:
        if tag == "label" and "for" in given:
            self.labelled.add(given["for"])
        if tag in _LABELLED and given.get("type") not in _UNLABELLED_TYPES and "label" not in self._open:
            self.fields.append(given)
        if tag == "img" and "alt" not in given:
            self.faults.append("a picture has no alt")
        if tag == "th" and "scope" not in given:
            self.faults.append("a table heading has no scope")
        if tag == "svg" and not {"aria-label", "aria-labelledby", "aria-hidden"} & given.keys():
            self.faults.append("a drawing has neither a name nor aria-hidden")

    def _inline(self, tag: str, given: _Attributes) -> None:
        if "style" in given or tag == "style" or (tag == "script" and "src" not in given):
            self.faults.append(f"<{tag}> has inline style or script, which the content security policy refuses")
        if int(given.get("tabindex", "0") or 0) > 0:
            self.faults.append("a positive tabindex breaks the order of the keyboard")


def faults_of(html: str) -> list[str]:
    """What is wrong with a page, one sentence each; an empty list when nothing is found."""
    page = _Page()
    page.feed(html)
    faults = list(page.faults)
    if not page.language:
        faults.append("the page does not say its language")
    if not page.title:
        faults.append("the page has no title")
    if page.headings.count(1) != 1:
        faults.append(f"the page has {page.headings.count(1)} first-level headings instead of one")
    if any(after - before > 1 for before, after in zip(page.headings, page.headings[1:], strict=False)):
        faults.append("a level of headings is left out")
    faults += [
        f"the field '{given.get('name', '')}' has no label"
        for given in page.fields
        if given.get("id") not in page.labelled and not {"aria-label", "aria-labelledby"} & given.keys()
    ]
    return faults
