"""The queue as a file that somebody carries to the hub, when there is no network for days. Reading it is the hub's.

Nothing in the queue changes: the records stay pending until the hub itself has answered, and twice is harmless.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

from mykey_terminal.clock import Clock, system_clock
from mykey_terminal.queue.store import OfflineQueue, instant

FORMAT: Final = "mykey-offline-queue-1"


def export_document(queue: OfflineQueue, clock: Clock = system_clock) -> dict[str, Any]:
    """Every record that the hub has not decided, in order, with the terminal's clocks at this moment.

    The members are those of `POST /uploads`, and `format` and `terminal_id`; each record carries its own signature.
    """
    records = sorted([*queue.pending(), *queue.unsettled()], key=lambda record: record.seq)
    return {
        "format": FORMAT,
        "terminal_id": queue.terminal_id,
        "boot_id": queue.uptime.boot_id,
        "wall_clock": instant(clock().astimezone(UTC)),
        "monotonic_ms": queue.uptime.milliseconds(),
        "records": [record.on_the_wire() for record in records],
    }
