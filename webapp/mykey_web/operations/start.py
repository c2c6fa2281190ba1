"""What granian calls in each worker process: the application of `serving`, opened while the garbage collector waits."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mykey_web.tenants import Application


@contextmanager
def collector_waiting() -> Iterator[None]:
    """Search for no garbage meanwhile, and never look through what was made (`gc.freeze`).

    A start makes some 140,000 objects that live as long as the process. Looking through them time and again was a
    seventh of it, and each full collection afterwards would stop a tap for about a tenth of a second.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def application() -> Application:
    """See the module; imports are most of a start, so they are made in here."""
    with collector_waiting():
        from mykey_web.operations import serving  # noqa: PLC0415 - see above

        return serving.application()
