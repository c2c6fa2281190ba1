"""Draws the stored pictures: `python -m mykey_cardap.emulator.contents.make_pictures FOLDER`.

Run by a developer with a Japanese font (fonts-noto-cjk) after the personas changed; `FOLDER` is
`data/pictures`. Pictures of texts that no persona has any more are deleted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mykey_cardap.emulator import personas
from mykey_cardap.emulator.contents.drawing import portrait, text_picture
from mykey_cardap.emulator.contents.pictures import PHOTOS, TextPicture, stored_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mykey_cardap.emulator.contents.holder import CardHolder


def draw_all(holders: Iterable[CardHolder]) -> dict[str, bytes]:
    """Every stored picture by file name."""
    drawn = {f"photo-{variant}.jp2": portrait(variant) for variant in range(PHOTOS)}
    for holder in holders:
        texts = {TextPicture.NAME: holder.name_on_card, TextPicture.ADDRESS: holder.address}
        drawn |= {stored_name(kind, text): text_picture(text) for kind, text in texts.items()}
    return drawn


def write(folder: Path, drawn: dict[str, bytes]) -> None:
    """Make the folder hold exactly these pictures."""
    for old in folder.iterdir():
        if old.name not in drawn:
            old.unlink()
    for name, content in drawn.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    write(Path(sys.argv[1]), draw_all(personas.load(name).holder for name in personas.names()))
