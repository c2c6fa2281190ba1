"""A thread that follows the snapshots' pointers, so that no tap spends its time on files.

Start it in each worker, after a server has forked. Without it the sources look for themselves, once a second, in a tap.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from mykey_core.trust.revocation.answers import SnapshotSource

_STOP_SECONDS: Final = 5
_LATE: Final = 10  # after so many missed rounds taps look for themselves again


@contextmanager
def following(sources: Iterable[SnapshotSource], *, every: float = 1.0) -> Iterator[None]:
    """Refresh `sources` every so many seconds until the block is left; a tap looks itself only if that stops."""
    followed = tuple(sources)
    before = [source.look_again_after for source in followed]
    for source in followed:
        source.look_again_after = every * _LATE
    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(every):
            for source in followed:
                source.refresh()

    thread = threading.Thread(target=follow, name="revocation-snapshots", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_STOP_SECONDS)
        for source, interval in zip(followed, before, strict=True):
            source.look_again_after = interval
