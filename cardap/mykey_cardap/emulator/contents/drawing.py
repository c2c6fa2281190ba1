"""Drawing of the face AP's pictures with Pillow: text in black and white, digits, and a portrait of nobody.

Which picture a card gets, and which are stored ready-made, is in `pictures.py`.
"""

from __future__ import annotations

import functools
import io
from typing import Final

from PIL import Image, ImageDraw, ImageFont

DIGIT_WIDTH: Final = 6
DIGIT_HEIGHT: Final = 12
CHARACTERS_PER_LINE: Final = 20
PHOTO_SIZE: Final = (240, 308)
_FONT_SIZE: Final = 24
_LINE_HEIGHT: Final = 36
_MARGIN: Final = 8
_WHITE, _BLACK = 255, 0
_NO_FONT_LABEL: Final = "NO JAPANESE FONT - CODE POINTS:"
_CODES_PER_LINE: Final = 8
# A font is looked up by file name in the system's own font folders (Pillow knows them per platform).
_JAPANESE_FONTS: Final = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKjp-Regular.otf",
    "ipaexg.ttf",
    "YuGothM.ttc",
    "msgothic.ttc",
    "ヒラギノ角ゴシック W3.ttc",
)
_VARIATION_SELECTORS: Final = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


def text_picture(text: str, fonts: tuple[str, ...] = _JAPANESE_FONTS) -> bytes:
    """`text` as a 1-bit PNG, 496 pixels wide, drawn with the first of `fonts` that this machine has.

    With none of them it is a picture of the text's code points under a label that says so: readable by a
    developer, the same on every machine, and never mistaken for the printed name.
    """
    font = _first_font(fonts)
    if font is None:
        return _code_points_picture(text)
    lines = wrap(text)
    size = (CHARACTERS_PER_LINE * _FONT_SIZE + 2 * _MARGIN, len(lines) * _LINE_HEIGHT + _MARGIN)
    image = Image.new("L", size, _WHITE)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        draw.text((_MARGIN, _MARGIN // 2 + row * _LINE_HEIGHT), line, font=font, fill=_BLACK)
    return _one_bit_png(image)


def wrap(text: str) -> list[str]:
    """Lines of at most twenty characters; a variation selector stays with the character it belongs to."""
    lines, width = [""], 0
    for character in text:
        follows = any(ord(character) in selectors for selectors in _VARIATION_SELECTORS)
        if width == CHARACTERS_PER_LINE and not follows:
            lines.append("")
            width = 0
        lines[-1] += character
        width += not follows
    return lines


@functools.cache
def _first_font(fonts: tuple[str, ...]) -> ImageFont.FreeTypeFont | None:
    for name in fonts:
        try:
            return ImageFont.truetype(name, _FONT_SIZE)
        except OSError:
            continue
    return None


def _code_points_picture(text: str) -> bytes:
    codes = [f"U+{ord(character):04X}" for character in text]
    rows = [codes[start : start + _CODES_PER_LINE] for start in range(0, len(codes), _CODES_PER_LINE)]
    lines = [_NO_FONT_LABEL, *(" ".join(row) for row in rows)]
    size = (CHARACTERS_PER_LINE * _FONT_SIZE + 2 * _MARGIN, len(lines) * DIGIT_HEIGHT + 2 * _MARGIN)
    image = Image.new("L", size, _WHITE)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        draw.text((_MARGIN, _MARGIN + row * DIGIT_HEIGHT), line, font=_bitmap_font(), fill=_BLACK)
    return _one_bit_png(image)


@functools.cache
def _bitmap_font() -> ImageFont.ImageFont:
    return ImageFont.load_default_imagefont()


def digits_picture(digits: str) -> bytes:
    """ASCII digits in Pillow's bitmap font, six by twelve pixels each (the size measured on a card)."""
    image = Image.new("L", (DIGIT_WIDTH * len(digits), DIGIT_HEIGHT), _WHITE)
    ImageDraw.Draw(image).text((0, 0), digits, font=_bitmap_font(), fill=_BLACK)
    return _one_bit_png(image)


def portrait(variant: int) -> bytes:
    """A greyscale JP2 of head and shoulders in outline without a face, marked SPECIMEN; `variant` 0 to 3."""
    width, height = PHOTO_SIZE
    image = Image.new("L", PHOTO_SIZE, 235 - 12 * variant)
    draw = ImageDraw.Draw(image)
    shade = 70 + 25 * variant
    draw.ellipse((70 - 4 * variant, 60, 170 + 4 * variant, 190), fill=shade)
    draw.rounded_rectangle((30, 200, width - 30, height + 40), radius=60, fill=shade - 20)
    draw.text((width // 2 - 24, height - 40), "SPECIMEN", font=_bitmap_font(), fill=_WHITE)
    output = io.BytesIO()
    image.save(output, "JPEG2000", quality_mode="rates", quality_layers=[40], irreversible=True)
    return output.getvalue()


def _one_bit_png(image: Image.Image) -> bytes:
    output = io.BytesIO()
    image.convert("1", dither=Image.Dither.NONE).save(output, "PNG", optimize=True)
    return output.getvalue()
