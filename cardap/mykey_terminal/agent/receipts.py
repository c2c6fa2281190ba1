"""A receipt as PDF, made on this computer from what the page shows: 80 mm wide, as the printers of kiosks are.

The Japanese font is one of Adobe's standard CID fonts, named and not embedded, so that no font file is shipped.
"""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from unicodedata import east_asian_width
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
_INNER_TABLE: Final = _WIDTH - 2 * _MARGIN - 4 * mm
_BESIDE: Final = 2
_SMALL: Final = 8
_PADDING: Final = 5.0
_LONGEST_WORD: Final = 16
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
    """Two columns side by side; of more the first stands in a line of its own, because the paper is narrow."""
    columns = max(len(row) for row in rows)
    whole = [[*row, *[""] * (columns - len(row))] for row in rows]
    if columns <= _BESIDE:
        return _styled(whole, [_INNER_TABLE / columns] * columns, lines_of=1, head=head)
    stacked = [line for first, *rest in whole for line in ([first, *[""] * (len(rest) - 1)], rest)]
    return _styled(stacked, _widths([rest for _, *rest in whole]), lines_of=2, head=head)


def _widths(rows: list[list[str]]) -> list[float]:
    """The table's width, shared out by the longest cell of each column; a number or barcode stays on one line."""
    places = range(len(rows[0]))
    longest = [max(_cells(row[place]) for row in rows) + 2 for place in places]
    least = [max(_least(row[place]) for row in rows) for place in places]
    free = _INNER_TABLE - sum(least)
    if free < 0:  # the paper is too narrow: everything may break
        least, free = [0.0] * len(rows[0]), _INNER_TABLE
    return [low + free * length / sum(longest) for low, length in zip(least, longest, strict=True)]


def _least(text: str) -> float:
    """The width, in points, below which a word that has no place to break would be torn."""
    words = [word for word in text.split() if word.isascii() and len(word) <= _LONGEST_WORD]
    return max((pdfmetrics.stringWidth(word, _FONT, _SMALL) for word in words), default=0.0) + _PADDING


def _cells(text: str) -> int:
    """Columns of a fixed-width screen that a text takes (Unicode Standard Annex 11)."""
    return sum(2 if east_asian_width(sign) in "WFA" else 1 for sign in text)


def _styled(rows: list[list[str]], widths: list[float], *, lines_of: int, head: bool) -> Table:
    table = Table([[_paragraph(cell, _SMALL) for cell in row] for row in rows], colWidths=widths)
    style: list[tuple[Any, ...]] = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 2)]
    style.append(("RIGHTPADDING", (0, 0), (-1, -1), 2))
    for place in range(lines_of - 1, len(rows), lines_of):
        style.append(("LINEBELOW", (0, place), (-1, place), 0.3, colors.grey))
        if lines_of > 1:
            style += [("SPAN", (0, place - 1), (-1, place - 1)), ("BOTTOMPADDING", (0, place - 1), (-1, place - 1), 0)]
    if head:
        style.append(("LINEBELOW", (0, lines_of - 1), (-1, lines_of - 1), 0.8, colors.black))
    table.setStyle(TableStyle(style))
    return table


def _paragraph(text: str, size: float) -> Paragraph:
    wrap = None if text.isascii() else "CJK"  # Latin words are kept whole
    style = ParagraphStyle(f"r{size}{wrap}", fontName=_FONT, fontSize=size, leading=size * 1.45, wordWrap=wrap)
    return Paragraph(escape(text), style)


def _height(part: Any) -> float:
    height: float = part.wrap(_INNER_TABLE, _TALLEST)[1]
    return height
