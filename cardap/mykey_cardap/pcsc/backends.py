"""Which PC/SC back end serves: pyscard where it is installed, else ctypes on pcsc-lite.

The back ends themselves live in `pyscard_backend.py` and `ctypes_backend.py`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Literal, cast

from mykey_cardap.pcsc.ctypes_backend import CtypesWinscard

if TYPE_CHECKING:
    from mykey_cardap.pcsc.winscard import Winscard

BackendName = Literal["pyscard", "ctypes"]


def load_backend(name: BackendName | None = None) -> Winscard:
    """The back end of this name; without a name pyscard if it is installed, else ctypes.

    Raises `NoReaderError` when the PC/SC library is missing, ImportError when pyscard is asked for by name and
    not installed.
    """
    if name == "ctypes":
        return CtypesWinscard()
    try:
        return _pyscard()
    except ImportError:
        if name == "pyscard":
            raise
        return CtypesWinscard()


def _pyscard() -> Winscard:
    module = importlib.import_module("mykey_cardap.pcsc.pyscard_backend")
    return cast("Winscard", module.PyscardWinscard())
