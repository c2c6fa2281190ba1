"""The signed offline queue of a terminal: what was done without the hub waits here, and cannot be changed unseen.

What a record looks like on the wire is in `records`, the file in `store`, sending it in `uploader`.
"""

from mykey_terminal.queue.errors import QueueDamagedError, QueueError, QueueForeignError, UploadRefusedError
from mykey_terminal.queue.records import QueuedRecord, Signer
from mykey_terminal.queue.store import OfflineQueue
from mykey_terminal.queue.uploader import Uploader, UploadReport

__all__ = [
    "OfflineQueue",
    "QueueDamagedError",
    "QueueError",
    "QueueForeignError",
    "QueuedRecord",
    "Signer",
    "UploadRefusedError",
    "UploadReport",
    "Uploader",
]
