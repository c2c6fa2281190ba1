"""A receipt as PDF, made on this computer from what the page shows: 80 mm wide, as the printers of kiosks are.

The Japanese font is one of Adobe's standard CID fonts, named and not embedded, so that no font file is shipped.
"""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from reportlab.lib import colors
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

if TYPE_CHECKING:
    from mykey_terminal.agent.bodies import ReceiptBody

_FONT: Final = "HeiseiKakuGo-W5"
_WIDTH: Final = 80 * mm
_MARGIN: Final = 5 * mm
_INNER: Final = _WIDTH - 2 * _MARGIN
_TOKYO: Final = ZoneInfo("Asia/Tokyo")
_TALLEST: Final = 3000 * mm


def receipt_pdf(body: ReceiptBody, at: datetime) -> bytes:
    """One page as high as its content. Its bytes depend on the content and the minute only."""
    pdfmetrics.registerFont(UnicodeCIDFont(_FONT))
    story = [*_head(body, at), *_content(body)]
    height = min(sum(_height(part) for part in story) + 2 * _MARGIN + 6 * mm, _TALLEST)
    target = BytesIO()
    margins = dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), _MARGIN)
    size = (_WIDTH, max(height, _WIDTH))
    document = SimpleDocTemplate(target, pagesize=size, title=body.title, author=body.town, invariant=1, **margins)
    document.build(story)
    return target.getvalue()


def _head(body: ReceiptBody, at: datetime) -> list[Any]:
    when = at.astimezone(_TOKYO).strftime("%Y-%m-%d %H:%M")
    lines = [(body.town, 9), (body.point, 9), (when, 9), (body.title, 13), (body.text, 9)]
    return [_paragraph(text, size) for text, size in lines if text] + [Spacer(0, 2 * mm)]


def _content(body: ReceiptBody) -> list[Any]:
    parts: list[Any] = []
    for block in body.blocks:
        if block.title:
            parts.append(_paragraph(block.title, 10))
        rows = [*([block.columns] if block.columns else []), *block.rows]
        if rows:
            parts += [_table(rows, head=bool(block.columns)), Spacer(0, 2 * mm)]
    return parts


def _table(rows: list[list[str]], *, head: bool) -> Table:
    columns = max(len(row) for row in rows)
    cells = [[_paragraph(cell, 8) for cell in [*row, *[""] * (columns - len(row))]] for row in rows]
    table = Table(cells, colWidths=[(_INNER - 4 * mm) / columns] * columns)
    style: list[tuple[Any, ...]] = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, colors.grey),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
    if head:
        style.append(("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.black))
    table.setStyle(TableStyle(style))
    return table


def _paragraph(text: str, size: float) -> Paragraph:
    style = ParagraphStyle(f"r{size}", fontName=_FONT, fontSize=size, leading=size * 1.45, wordWrap="CJK")
    return Paragraph(escape(text), style)


def _height(part: Any) -> float:
    height: float = part.wrap(_INNER - 4 * mm, _TALLEST)[1]
    return height
