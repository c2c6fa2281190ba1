"""CAP files on disk: archives and bare components."""

from __future__ import annotations

import io
import zipfile

import pytest

from mykey_cardap.emulator.globalplatform.cap_file import modules_of
from mykey_cardap.emulator.service_application.card_application import MODULE
from mykey_cardap.emulator.service_application.fresh_cards import load_file_image
from mykey_cardap.globalplatform.cap_archive import cap_components
from mykey_cardap.globalplatform.errors import InvalidContentError

_NAMES = {1: "Header", 3: "Applet", 7: "Method"}


def _archive(*, reverse: bool = False) -> bytes:
    code, parts, position = load_file_image(), [], 0
    while position < len(code):
        end = position + 3 + int.from_bytes(code[position + 1 : position + 3], "big")
        parts.append((_NAMES[code[position]], code[position:end]))
        position = end
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("jp/mykey/javacard/Debug.cap", b"\x0c\x00\x00")
        for name, body in reversed(parts) if reverse else parts:
            archive.writestr(f"jp/mykey/javacard/{name}.cap", body)
    return target.getvalue()


@pytest.mark.parametrize("reverse", [False, True])
def test_components_go_in_the_order_of_the_specification(reverse: bool) -> None:  # noqa: FBT001 - a parameter
    """Whatever the order in the archive, and without what is for off-card tools; the card finds the module."""
    code = cap_components(_archive(reverse=reverse))
    assert code == load_file_image() == cap_components(code)
    assert modules_of(code) == (MODULE,)


@pytest.mark.parametrize("raw", [b"", b"PK", b"PK\x03\x04 no archive", b"\x02\x00\x00", _archive()[:-30]])
def test_what_is_no_cap_file(raw: bytes) -> None:
    """Refused before any card is touched."""
    with pytest.raises(InvalidContentError):
        cap_components(raw)
