"""PDF pages in Japanese and English: headings, rows and tables, with fonts that every PDF reader brings.

The Japanese fonts are Adobe's standard CID fonts, named and not embedded, so that no font file is shipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any, Final

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

_FONT: Final = "HeiseiKakuGo-W5"
_MONO: Final = "Courier"
_MARGIN: Final = 18 * mm


class Paper:
    """One document, filled from top to bottom; `to_bytes` ends it."""

    def __init__(self, title: str) -> None:
        pdfmetrics.registerFont(UnicodeCIDFont(_FONT))
        self._title = title
        self._story: list[Any] = [Paragraph(_escaped(title), _style(16, 22))]

    def text(self, text: str, *, size: float = 10) -> None:
        """A paragraph."""
        self._story += [Paragraph(_escaped(text), _style(size, size * 1.6)), Spacer(0, 2 * mm)]

    def rows(self, rows: Iterable[Sequence[str]], *, widths: Sequence[float], head: bool = False) -> None:
        """A table; `widths` are in millimetres. The first row repeats on each page when it is a head."""
        small = _style(8.5, 11)
        cells = [[Paragraph(_escaped(cell), small) for cell in row] for row in rows]
        table = Table(cells, colWidths=[width * mm for width in widths], repeatRows=1 if head else 0)
        lines = [("GRID", (0, 0), (-1, -1), 0.4, colors.grey), ("VALIGN", (0, 0), (-1, -1), "TOP")]
        table.setStyle(TableStyle([*lines, *([("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke)] if head else [])]))
        self._story += [table, Spacer(0, 4 * mm)]

    def to_bytes(self) -> bytes:
        """The document. Its bytes depend on its content only (no time of making, no random id)."""
        target = BytesIO()
        margins = dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), _MARGIN)
        document = SimpleDocTemplate(target, pagesize=A4, title=self._title, author="mykey", invariant=1, **margins)
        document.build(self._story, onFirstPage=_number, onLaterPages=_number)
        return target.getvalue()


def _style(size: float, leading: float) -> ParagraphStyle:
    return ParagraphStyle(f"s{size}", fontName=_FONT, fontSize=size, leading=leading, wordWrap="CJK")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _number(canvas: Any, document: Any) -> None:
    canvas.setFont(_MONO, 8)
    canvas.drawRightString(A4[0] - _MARGIN, 10 * mm, str(document.page))
