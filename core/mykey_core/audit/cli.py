"""`mykey audit`: keeping, verifying and showing the log of a hub. Checking files without a hub is in `cli_files`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click

from mykey_core.audit.access import access_list, catalogue
from mykey_core.audit.checkpoint import open_checkpoint
from mykey_core.audit.checkpoints import make_checkpoint
from mykey_core.audit.cli_files import FILE, OUT, checked, public_keys, register_file_commands, write
from mykey_core.audit.export import export_log
from mykey_core.audit.keeper import AuditKeeper, signer_of
from mykey_core.audit.keys import FileSigner, create_audit_key
from mykey_core.audit.note import VerifierKey
from mykey_core.audit.proofs import prove_consistency, prove_inclusion
from mykey_core.audit.sealer import Sealer
from mykey_core.audit.verify import verify_log
from mykey_core.clock import system_clock
from mykey_core.settings import HubSettings, load_settings
from mykey_core.storage.database import Database, open_database
from mykey_core.translations import LANGUAGES

_config = click.option("--config", type=FILE, default=Path("hub.toml"), show_default=True, help="The hub's settings.")


@dataclass(frozen=True, slots=True)
class _Log:
    """The log that the settings name."""

    settings: HubSettings
    database: Database

    @property
    def town(self) -> str:
        return self.settings.municipality

    @property
    def signer(self) -> FileSigner:
        return signer_of(self.settings)

    def keys(self, named: tuple[Path, ...]) -> list[VerifierKey]:
        return public_keys(named) if named else [self.signer.verifier]


@contextmanager
def _opened(config: Path) -> Iterator[_Log]:
    with checked():
        settings = load_settings(config)
        database = open_database(settings.database_url, settings.municipality)
        try:
            yield _Log(settings, database)
        finally:
            database.dispose()


@click.group()
def audit() -> None:
    """The audit log: sealed, signed, verified, and shown to those whom it is about."""


register_file_commands(audit)


@audit.command("new-key")
@_config
def new_key(config: Path) -> None:
    """Make the key that signs checkpoints, and print its public part. Keep a copy in the backup of the keys."""
    with checked():
        settings = load_settings(config)
        try:
            create_audit_key(settings.audit_key_file)
        except FileExistsError as error:
            raise click.ClickException(f"{settings.audit_key_file} exists and is not overwritten") from error
        click.echo(str(signer_of(settings).verifier))


@audit.command()
@_config
def key(config: Path) -> None:
    """Print the public key, for whoever checks this log."""
    with checked():
        click.echo(str(signer_of(load_settings(config)).verifier))


@audit.command()
@_config
@click.option("--every", type=click.FloatRange(min=0.1), help="Go on for ever, every so many seconds; signs as well.")
def seal(config: Path, every: float | None) -> None:
    """Give every committed record its place in the log. A running hub does so by itself."""
    with _opened(config) as log:
        if every is None:
            click.echo(f"sealed {Sealer(log.database, log.town).seal(sweep=True)} records")
            return
        keeper = AuditKeeper(log.database, log.town, log.signer, system_clock)
        while True:
            keeper.tick()
            time.sleep(every)


@audit.command()
@_config
@OUT
def checkpoint(config: Path, output: Path | None) -> None:
    """Seal, sign the log as it stands, and write the checkpoint; keep it where the hub's administrator cannot reach."""
    with _opened(config) as log:
        Sealer(log.database, log.town).seal(sweep=True)
        write(output, [make_checkpoint(log.database, log.town, log.signer, system_clock()).note])


@audit.command()
@_config
@click.option("--checkpoint", "kept", type=FILE, help="A checkpoint that was kept elsewhere: what decides.")
@click.option("--key", "named", type=FILE, multiple=True, help="The log's public key; else that of the hub's own key.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(config: Path, kept: Path | None, named: tuple[Path, ...], *, as_json: bool) -> None:
    """Verify the whole log; exit status 1 when anything was edited, deleted, inserted, reordered or cut off."""
    with _opened(config) as log:
        keys = log.keys(named)
        trusted = open_checkpoint(kept.read_text(encoding="utf-8"), keys) if kept else None
        found = verify_log(log.database, log.town, keys, trusted)
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        for finding in found.findings:
            click.echo(str(finding), err=True)
        state = "intact" if found.ok else f"NOT intact: {len(found.findings)} findings"
        base = f"from the checkpoint of {found.checkpoint.size} records" if found.checkpoint else "without a checkpoint"
        note = "" if kept else "; a checkpoint kept elsewhere finds more (--checkpoint)"
        click.echo(f"{state}: {found.size} sealed records, {found.pending} pending, {base}{note}")
    if not found.ok:
        raise SystemExit(1)


@audit.command()
@_config
@click.argument("record_id", type=click.UUID)
@OUT
def prove(config: Path, record_id: UUID, output: Path | None) -> None:
    """Write the proof that the record RECORD_ID is in the log; `check-proof` needs nothing but it and the key."""
    with _opened(config) as log, log.database.reading() as session:
        write(output, [str(prove_inclusion(session, log.town, record_id))])


@audit.command()
@_config
@click.argument("older", type=FILE)
@click.argument("newer", type=FILE)
@OUT
def consistency(config: Path, older: Path, newer: Path, output: Path | None) -> None:
    """Write the proof that the log of the checkpoint OLDER is the beginning of that of NEWER."""
    notes = older.read_text(encoding="utf-8"), newer.read_text(encoding="utf-8")
    with _opened(config) as log, log.database.reading() as session:
        write(output, [str(prove_consistency(session, log.town, *notes, [log.signer.verifier]))])


@audit.command()
@_config
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="In UTC; from the start if not given."
)
@OUT
def export(config: Path, since: datetime | None, output: Path | None) -> None:
    """Write the log up to its newest checkpoint as JSON lines that `check-export` can check."""
    with _opened(config) as log, log.database.reading() as session:
        begin = since.replace(tzinfo=UTC) if since else None
        write(output, (f"{line}\n" for line in export_log(session, log.town, begin)))


@audit.command()
@_config
@click.option("--person", required=True, type=click.UUID, help="The person's id in the hub.")
@click.option("--language", type=click.Choice(LANGUAGES), default=LANGUAGES[0], show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def access(config: Path, person: UUID, language: str, *, as_json: bool) -> None:
    """Show a person who had to do with their record, when and why, over all plugins."""
    with _opened(config) as log:
        entries = access_list(log.database, log.town, person, system_clock())
    words = catalogue()
    if as_json:
        texts = [words.get(entry.text.key, language, entry.text.values) for entry in entries]
        click.echo(json.dumps([{**entry.as_json(), "text": text} for entry, text in zip(entries, texts, strict=True)]))
        return
    for entry in entries:
        click.echo(
            f"{entry.at.isoformat(timespec='seconds')}  {words.get(entry.text.key, language, entry.text.values)}"
        )
