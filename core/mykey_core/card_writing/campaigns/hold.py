"""Holding a campaign from elsewhere: a file in its folder, which a run looks for before each batch or card.

Whoever may write the folder may hold; cards under way are finished first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FILE: Final = "held"
HELD: Final = "held"
"""Why a run has stopped."""


def is_held(folder: Path) -> bool:
    """Whether no further card may be begun."""
    return (folder / FILE).exists()


def hold(folder: Path) -> bool:
    """Let no further card be begun; False when it is so already. `OSError` where the folder cannot be written."""
    try:
        (folder / FILE).touch(mode=0o644, exist_ok=False)
    except FileExistsError:
        return False
    return True


def release(folder: Path) -> bool:
    """Let cards be begun again; False when nobody held them."""
    try:
        (folder / FILE).unlink()
    except FileNotFoundError:
        return False
    return True
