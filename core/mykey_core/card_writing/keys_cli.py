"""`mykey keys`: the ceremony that makes master keys of cards, their restoration from shares, generations and floor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mykey_core.audit.records import append
from mykey_core.card_writing.errors import CeremonyError
from mykey_core.card_writing.keys.ceremony import (
    Ceremony,
    CeremonyRecord,
    CheckValues,
    Quorum,
    check_values_of,
    combine,
    store,
)
from mykey_core.card_writing.keys.generations import Generations
from mykey_core.card_writing.keys.provider import CardKeyProvider
from mykey_core.card_writing.keys.sheet import sheet
from mykey_core.clock import system_clock
from mykey_core.errors import MykeyError
from mykey_core.settings import HubSettings, load_settings
from mykey_core.storage.database import Database, open_database

_config = click.option(
    "--config", type=click.Path(path_type=Path), default=Path("hub.toml"), help="The hub's settings."
)


@click.group()
def keys() -> None:
    """The master keys of cards."""


@contextmanager
def _town(config: Path) -> Iterator[tuple[HubSettings, Database, CardKeyProvider]]:
    try:
        settings = load_settings(config)
        database = open_database(settings.database_url, settings.municipality)
        try:
            yield settings, database, settings.card_writing.open_keys(settings.municipality)
        finally:
            database.dispose()
    except MykeyError as error:
        raise click.ClickException(str(error)) from error


@keys.command()
@_config
@click.option("--shares", "rule", default="3-of-5", show_default=True, help="How many custodians hold the key.")
@click.option("--sheet", "sheet_file", type=click.Path(path_type=Path), default=Path("ceremony.pdf"), show_default=True)
@click.option("--language", type=click.Choice(["ja", "en", "ja-Hira"]), default="ja", show_default=True)
@click.option("--dry-run", is_flag=True, help="Rehearse with a key that is thrown away; nothing is stored.")
def ceremony(config: Path, rule: str, sheet_file: Path, language: str, *, dry_run: bool) -> None:
    """Make the next master key before witnesses, split it into shares, and print the sheet with its check values.

    Each custodian sees one share and writes it down; then enough of them type theirs in, and only then is the key
    stored. The steps are in docs/how-to/key-ceremony.md.
    """
    with _town(config) as (settings, database, provider):
        quorum = Quorum.parse(rule)
        _check_writable(sheet_file)
        generation = _next_generation(settings.municipality, database, provider)
        making = Ceremony(quorum)
        click.echo(f"master key of generation {generation}, {quorum}, provider {provider.kind}")
        if dry_run:
            click.echo("REHEARSAL: this key will be thrown away")
        _show_shares(making)
        making.confirm(_ask_shares(quorum.threshold))
        click.echo("the shares give the key")
        if not dry_run:
            making.store(provider, generation)
        record = CeremonyRecord(
            settings.municipality, generation, quorum, provider.kind, making.check_values, system_clock(), dry_run
        )
        _record(record, database, provider)
        sheet_file.write_bytes(sheet(record, language))
        _echo_check_values(record.check_values)
        click.echo(f"sheet: {sheet_file}")


@keys.command()
@_config
@click.option("--generation", type=click.IntRange(1, 255), required=True)
@click.option("--check-value", required=True, help="The master key's check value on the sheet: six hexadecimal digits.")
@click.option("--threshold", type=click.IntRange(2, 16), required=True, help="How many shares give the key.")
def restore(config: Path, generation: int, check_value: str, threshold: int) -> None:
    """Put a master key into the provider again, from the shares of its ceremony: after a loss, or into a new token."""
    with _town(config) as (settings, database, provider):
        master = combine(_ask_shares(threshold))
        found = check_values_of(master)
        if found.master.hex().lower() != check_value.strip().lower():
            raise CeremonyError("the shares give a key with another check value; nothing was stored")
        store(provider, generation, master)
        facts = {"generation": generation, "provider": str(provider.kind), "check_value": _code(found)}
        register = Generations(settings.municipality)
        with database.writing() as session:
            if generation not in {known.number for known in register.all(session)}:
                register.add(session, generation, provider, system_clock())
            append(session, settings.municipality, system_clock(), "card_keys.restored", facts)
        _echo_check_values(found)


@keys.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(config: Path, *, as_json: bool) -> None:
    """Show the generations, what the provider holds, and the floor."""
    with _town(config) as (settings, database, provider), database.reading() as session:
        register = Generations(settings.municipality)
        held = provider.generations()
        rows = [
            {
                "generation": known.number,
                "provider": str(known.provider),
                "check_value": known.check_value,
                "held": known.number in held
                and provider.master_check_value(known.number).hex() == known.check_value
                and known.provider.tree == provider.kind.tree,
            }
            for known in register.all(session)
        ]
        answer = {"provider": str(provider.kind), "floor": register.floor(session), "generations": rows}
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(f"provider {answer['provider']}, floor {answer['floor']}")
    for row in rows:
        state = "held" if row["held"] else "MISSING or another key"
        click.echo(f"generation {row['generation']}: check value {row['check_value']}, {row['provider']}, {state}")


@keys.command("debit-key")
@_config
@click.argument("slot", metavar="SLOT")
@click.option("--generation", type=click.IntRange(1, 255), help="The current one by default.")
@click.option("--terminal", required=True, help="For which terminal, by its name: it stands in the audit log.")
def debit_key(config: Path, slot: str, generation: int | None, terminal: str) -> None:
    """Print the debit key of a slot of cards (such as 0301), for `mykey terminal debit-key`: keep it from any disk.

    Whoever has it can debit this service on every card of the town, and do nothing else.
    """
    with _town(config) as (settings, database, provider):
        with database.reading() as session:
            number = generation or Generations(settings.municipality).current(session, provider)
        try:
            service = int(slot, 16)
        except ValueError:
            raise click.BadParameter("four hexadecimal digits, such as 0301", param_hint="SLOT") from None
        key = provider.debit_master(int(settings.municipality), service, number)
        facts = {"generation": number, "service": service, "terminal": terminal}
        with database.writing() as session:
            append(session, settings.municipality, system_clock(), "card_keys.debit_key_issued", facts)
    place = {"issuer": settings.municipality, "service": f"{service:04X}", "generation": number}
    click.echo(json.dumps({**place, "key": key.hex()}))


@keys.command("raise-floor")
@_config
@click.argument("generation", type=click.IntRange(1, 255))
def raise_floor(config: Path, generation: int) -> None:
    """Use generations below GENERATION no more, for ever.

    Cards that were written with them open nothing any more: rotate them before.
    """
    with _town(config) as (settings, database, _), database.writing() as session:
        Generations(settings.municipality).raise_floor(session, generation, system_clock())
    click.echo(f"the floor is {generation}")


def _next_generation(municipality: str, database: Database, provider: CardKeyProvider) -> int:
    """Above all that the provider holds, and all that the register knows: a new token begins with the next one."""
    with database.reading() as session:
        known = [entry.number for entry in Generations(municipality).all(session)]
    return max((*provider.generations(), *known), default=0) + 1


def _check_writable(path: Path) -> None:
    """Before a key is made: the sheet must not be lost afterwards."""
    existed = path.exists()
    try:
        path.touch()
        if not existed:
            path.unlink()
    except OSError as error:
        raise CeremonyError(f"the sheet cannot be written to {path}: {error.strerror}") from error


def _show_shares(making: Ceremony) -> None:
    for number, share in enumerate(making.shares, 1):
        click.pause(f"custodian {number} of {making.quorum.shares}: step up alone, then press a key")
        words = share.split()
        for start in range(0, len(words), 6):
            line = "  ".join(f"{at:2d} {word:<10}" for at, word in enumerate(words[start : start + 6], start + 1))
            click.echo(line)
        click.pause("written down? press a key, the screen is cleared")
        click.clear()


def _ask_shares(threshold: int) -> list[str]:
    click.echo(f"{threshold} custodians type their shares; the input is not shown")
    return [click.prompt(f"share {number}", hide_input=True) for number in range(1, threshold + 1)]


def _record(record: CeremonyRecord, database: Database, provider: CardKeyProvider) -> None:
    facts = {
        "generation": record.generation,
        "provider": str(record.provider),
        "check_value": _code(record.check_values),
        "quorum": str(record.quorum).replace("-of-", "of").join(("q", "")),
    }
    event = "card_keys.rehearsed" if record.rehearsal else "card_keys.created"
    with database.writing() as session:
        if not record.rehearsal:
            Generations(record.municipality).add(session, record.generation, provider, record.at)
        append(session, record.municipality, record.at, event, facts)


def _code(values: CheckValues) -> str:
    return f"kcv:{values.master.hex()}"


def _echo_check_values(values: CheckValues) -> None:
    for name, value in zip(("master", "ENC", "MAC", "DEK"), values.lines(), strict=True):
        click.echo(f"check value {name}: {value}")
