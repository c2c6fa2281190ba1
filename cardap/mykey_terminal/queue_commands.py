"""`mykey terminal export-queue`: the signed queue as a file, for the day without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import click

from mykey_terminal.enrolment import StateDirectory
from mykey_terminal.files import write_private
from mykey_terminal.queue import OfflineQueue
from mykey_terminal.queue.export import export_document


def add_queue_commands(group: click.Group, *, errors: Callable[[], AbstractContextManager[None]]) -> None:
    """Add `export-queue` to `mykey terminal`."""

    @group.command("export-queue")
    @click.option(
        "--state", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the terminal."
    )
    @click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
    def export_queue(*, state: Path, file: Path) -> None:
        """Write what the hub has not received to FILE (mode 0600), for `mykey hub uploads import`."""
        with errors():
            directory = StateDirectory(state)
            enrolment, key = directory.load()
            with OfflineQueue(directory.queue, key, terminal_id=enrolment.terminal_id) as queue:
                document = export_document(queue)
            write_private(file, json.dumps(document, ensure_ascii=False).encode())
        click.echo(f"{len(document['records'])} records in {file}; they stay in the queue until the hub has answered")
