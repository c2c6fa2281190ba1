"""PDF pages for statements and invoices: headings, facts, tables with numbers to the right.

The Japanese font is one of Adobe's standard CID fonts, named and not embedded, so that no font file is shipped. The
bytes depend on the content only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any, Final

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

_FONT: Final = "HeiseiKakuGo-W5"
_MARGIN: Final = 18 * mm
Cell = str | int


class Paper:
    """One document, filled from top to bottom; `to_bytes` ends it. Whole numbers are shown with thousands' commas."""

    def __init__(self, title: str) -> None:
        pdfmetrics.registerFont(UnicodeCIDFont(_FONT))
        self._title = title
        self._story: list[Any] = [Paragraph(_escaped(title), _style(16, 24)), Spacer(0, 3 * mm)]

    def text(self, text: str) -> None:
        """A paragraph."""
        self._story += [Paragraph(_escaped(text), _style(10, 16)), Spacer(0, 2 * mm)]

    def table(self, head: Sequence[str], rows: Iterable[Sequence[Cell]], *, widths: Sequence[float]) -> None:
        """A table whose head repeats on each page; `widths` are in millimetres."""
        cells = [[_cell(name) for name in head], *([_cell(value) for value in row] for row in rows)]
        table = Table(cells, colWidths=[width * mm for width in widths], repeatRows=1)
        table.setStyle(
            TableStyle(
                [
                    ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
                    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                    ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                ]
            )
        )
        self._story += [table, Spacer(0, 4 * mm)]

    def to_bytes(self) -> bytes:
        """The document."""
        target = BytesIO()
        margins = dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), _MARGIN)
        document = SimpleDocTemplate(target, pagesize=A4, title=self._title, author="mykey", invariant=1, **margins)
        document.build(self._story, onFirstPage=_number, onLaterPages=_number)
        return target.getvalue()


def _cell(value: Cell) -> Paragraph:
    if isinstance(value, int):
        return Paragraph(f"{value:,}", _style(9, 12, right=True))
    return Paragraph(_escaped(value), _style(9, 12))


def _style(size: float, leading: float, *, right: bool = False) -> ParagraphStyle:
    extra = {"alignment": TA_RIGHT} if right else {}
    return ParagraphStyle(f"s{size}{right}", fontName=_FONT, fontSize=size, leading=leading, wordWrap="CJK", **extra)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _number(canvas: Any, document: Any) -> None:
    canvas.setFont("Courier", 8)
    canvas.drawRightString(A4[0] - _MARGIN, 10 * mm, str(document.page))
