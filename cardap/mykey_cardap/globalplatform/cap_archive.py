"""A CAP file on disk as LOAD wants it: its components, one after the other in the order that cards install them.

Source: Java Card virtual machine specification 3.1, section 4.1.1 (the archive) and table 4-4 (the order).
"""

from __future__ import annotations

import io
import zipfile
from typing import Final

from mykey_cardap.globalplatform.errors import InvalidContentError

_ORDER: Final = (
    *("Header", "Directory", "Import", "Applet", "Class", "Method"),
    *("StaticField", "Export", "ConstantPool", "RefLocation"),
)
"""Descriptor and Debug are for off-card tools and are not sent."""
_MAX_COMPONENT: Final = 0x10000
_ZIP: Final = b"PK"
_HEADER_TAG: Final = b"\x01"


def cap_components(raw: bytes) -> bytes:
    """The components of a CAP archive, or `raw` itself when it is components already (an IJC file).

    `InvalidContentError` for anything else.
    """
    if raw.startswith(_HEADER_TAG):
        return raw
    if not raw.startswith(_ZIP):
        raise InvalidContentError("this is no CAP file: neither an archive nor components")
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            places = {entry.filename.rsplit("/", 1)[-1]: entry for entry in archive.infolist()}
            wanted = [places[f"{name}.cap"] for name in _ORDER if f"{name}.cap" in places]
            if any(entry.file_size > _MAX_COMPONENT for entry in wanted):
                raise InvalidContentError("a component of the CAP file is too long")
            code = b"".join(archive.read(entry) for entry in wanted)
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise InvalidContentError("the CAP file is damaged") from error
    if not code.startswith(_HEADER_TAG):
        raise InvalidContentError("the CAP file has no Header component")
    return code
