"""Drawing: digits, wrapping, and what happens on a machine without a Japanese font."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from mykey_cardap.emulator.contents import drawing, pictures


def _open(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_every_digit_looks_different() -> None:
    """Ten pictures of 6 by 12 pixels, no two alike."""
    drawn = [_open(drawing.digits_picture(str(digit))) for digit in range(10)]
    assert {picture.size for picture in drawn} == {(6, 12)}
    assert len({picture.tobytes() for picture in drawn}) == 10


def test_without_a_font_the_code_points_are_shown() -> None:
    """Deterministic, different per text, and of the usual kind."""
    once, again = (drawing.text_picture("黒桐　幹也", fonts=("no-such-font",)) for _ in range(2))
    other = drawing.text_picture("𠮷髙﨑" * 8, fonts=("no-such-font",))
    assert once == again
    assert once != other
    assert _open(once).mode == _open(other).mode == "1"
    assert _open(other).size[1] > _open(once).size[1]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("あ" * 20, ["あ" * 20]),
        ("あ" * 21, ["あ" * 20, "あ"]),
        ("あ" * 20 + "\U000e0100い", ["あ" * 20 + "\U000e0100", "い"]),
    ],
)
def test_lines_are_wrapped_at_twenty_characters(text: str, lines: list[str]) -> None:
    """A variation selector has no width and stays with its character."""
    assert drawing.wrap(text) == lines


@pytest.mark.parametrize("variant", range(pictures.PHOTOS))
def test_portraits_can_be_drawn_again(variant: int) -> None:
    """The generator makes valid greyscale JP2 files of the same size; all variants differ."""
    picture = _open(drawing.portrait(variant))
    picture.load()
    assert (picture.mode, picture.size) == ("L", drawing.PHOTO_SIZE)
    assert drawing.portrait(variant) != drawing.portrait((variant + 1) % pictures.PHOTOS)


def test_a_text_without_stored_picture_is_drawn() -> None:
    """Cards of other people than the personas work too."""
    assert pictures.name_png("甲　乙") == drawing.text_picture("甲　乙")
    assert pictures.stored_name(pictures.TextPicture.NAME, "甲") != pictures.stored_name(
        pictures.TextPicture.ADDRESS, "甲"
    )
