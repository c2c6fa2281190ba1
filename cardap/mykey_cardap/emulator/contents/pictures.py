"""The pictures of the face AP: name and address as 1-bit PNG, digits as tiny PNG, photo as grey JPEG 2000.

The personas' names and addresses and all photos were drawn once by `make_pictures` and are data files here,
so a persona's card has the same bytes on every machine and needs no font. A holder who is not among them is
drawn when the card is made, with the machine's Japanese font; without one, the picture shows code points
instead and says so (`drawing.text_picture`).
"""

from __future__ import annotations

import functools
import hashlib
from enum import StrEnum, unique
from importlib import resources
from typing import TYPE_CHECKING, Final

from mykey_cardap.emulator.contents import drawing

if TYPE_CHECKING:
    from mykey_cardap.emulator.contents.holder import CardHolder

PHOTOS: Final = 4


@unique
class TextPicture(StrEnum):
    """The two texts that the face AP holds as pictures."""

    NAME = "name"
    ADDRESS = "address"


def stored_name(kind: TextPicture, text: str) -> str:
    """File name of a pre-drawn text picture."""
    return hashlib.sha256(f"{kind}\0{text}".encode()).hexdigest()[:24] + ".png"


def name_png(name: str) -> bytes:
    """The name as the face of the card prints it, 1-bit PNG."""
    return _stored_or_drawn(TextPicture.NAME, name)


def address_png(address: str) -> bytes:
    """The address, wrapped to lines of twenty characters, 1-bit PNG."""
    return _stored_or_drawn(TextPicture.ADDRESS, address)


def digits_png(digits: str) -> bytes:
    """Digits, six pixels each and twelve high: 24x12 for a security code, 72x12 for a number."""
    return drawing.digits_picture(digits)


def photo_jp2(holder: CardHolder) -> bytes:
    """One of the drawn, faceless portraits (JP2, greyscale); the same holder always has the same one."""
    choice = hashlib.sha256(f"{holder.name}{holder.birth_date}".encode()).digest()[0] % PHOTOS
    return _data(f"photo-{choice}.jp2")


@functools.cache
def _stored_or_drawn(kind: TextPicture, text: str) -> bytes:
    try:
        return _data(stored_name(kind, text))
    except FileNotFoundError:
        return drawing.text_picture(text)


@functools.cache
def _data(name: str) -> bytes:
    return resources.files(__package__).joinpath("data", "pictures", name).read_bytes()
