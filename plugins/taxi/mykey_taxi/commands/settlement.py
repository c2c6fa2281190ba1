"""`close`, `statement`, `verify`, `parse-transfer`: the month's end, with the hub's database."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import click

from mykey_core.api import MykeyError, PluginContext, PluginDatabase, plugin_sessions
from mykey_taxi.closing import telling
from mykey_taxi.commands.rules import packs_option, plain_errors, series, show
from mykey_taxi.errors import CycleError, TaxiError
from mykey_taxi.register import Register
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.settlement.breakdown import Breakdown
from mykey_taxi.settlement.close import ClosedMonth, MonthClose, read_month
from mykey_taxi.settlement.cycle import parse_cycle
from mykey_taxi.settlement.documents import Documents, kept, statement_of
from mykey_taxi.settlement.reading import Begin
from mykey_taxi.settlement.transfer import Transfer, read_payer, transfer_of
from mykey_taxi.zengin.parse import parse

CONFIG: Final = click.option(
    "--config", type=click.Path(path_type=Path), default=Path("hub.toml"), show_default=True, help="The hub's settings."
)
MONTH: Final = click.option("--month", required=True, help="YYYY-MM")
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@contextmanager
def opened(config: Path) -> Iterator[tuple[PluginContext, Begin]]:
    """The plugin in the hub of `config`: its context, about nobody, and how to begin transactions over its tables."""
    try:
        with plugin_sessions(config, "taxi") as sessions:
            with sessions() as (context, _):
                pass

            @contextmanager
            def begin() -> Iterator[PluginDatabase]:
                with sessions() as (_, database):
                    yield database

            yield context, begin
    except TaxiError:
        raise  # `plain_errors` shows its code
    except MykeyError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def transactions(config: Path) -> Iterator[Begin]:
    """How to begin transactions over the plugin's tables in the hub of `config`."""
    with opened(config) as (_, begin):
        yield begin


@click.command()
@MONTH
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the documents."
)
@click.option("--payer", type=_FILE, help="TOML file with the town's account; without it no transfer file is made.")
@click.option("--pay-on", type=click.DateTime(["%Y-%m-%d"]), help="Nominal day of transfer; rolls forward.")
@click.option("--now", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), hidden=True, help="For rehearsals.")
@CONFIG
@packs_option
@plain_errors
def close(
    month: str,
    out: Path,
    payer: Path | None,
    pay_on: datetime | None,
    now: datetime | None,
    config: Path,
    packs: Path | None,
    programme: str,
) -> None:
    """Close a month and write its documents; a JSON summary on standard output, progress beside it.

    Killed, it is called again and goes on; a closed month is only written out again. The hub's audit log and the
    plugins that ask for it hear of the close, as they do of one by the administration.
    """
    cycle = parse_cycle(month)
    chosen = series(packs, programme)
    account = None if payer is None else read_payer(payer)
    with opened(config) as (context, begin), Breakdown(out, month) as rides:
        heard = telling(context)
        closing = MonthClose(begin, chosen, cycle, progress=_told(month), listener=rides, closed=heard)
        closed = closing.run(now or datetime.now(UTC))
        with begin() as database:
            operators = Register(database).operators()
        nominal = None if pay_on is None else pay_on.date()
        transfer = None if account is None else transfer_of(closed, account, operators, nominal)
        writer = Documents(begin, closed, out, programme=_title(chosen, cycle.first_day))
        documents = writer.write(None if transfer is None else transfer.content, rides)
    show({**_summary(closed, transfer), "documents": {entry.name: entry.sha256 for entry in documents}})


def _told(month: str) -> Callable[[int], None]:
    def tell(done: int) -> None:
        click.echo(f"\r{month}: {done:,} rides judged", err=True, nl=not sys.stderr.isatty())

    return tell


def _title(packs: PackSeries, day: date) -> str:
    programme = packs.on(day).programme
    return programme.title.get("ja", programme.id)


def _summary(month: ClosedMonth, transfer: Transfer | None) -> dict[str, Any]:
    return {
        "month": month.cycle,
        "rides": month.rides,
        "subsidy_yen": month.subsidy_yen,
        "due_yen": month.due_yen,
        "invoices": [{name: getattr(entry, name) for name in entry.__slots__} for entry in month.invoices],
        "transfer": None
        if transfer is None
        else {"day": transfer.day.isoformat(), "payments": transfer.payments, "total_yen": transfer.total_yen},
    }


@click.command()
@MONTH
@click.option("--rider", required=True, help="The rider's registration id.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="PDF file.")
@click.option("--language", type=click.Choice(["ja", "en", "ja-Hira"]), default="ja", show_default=True)
@CONFIG
@packs_option
@plain_errors
def statement(
    month: str, rider: str, out: Path, language: str, config: Path, packs: Path | None, programme: str
) -> None:
    """The statement of one rider for one month, as PDF."""
    title = _title(series(packs, programme), parse_cycle(month).first_day)
    with transactions(config) as begin, begin() as database:
        out.write_bytes(statement_of(database, rider, month, programme=title, language=language))


@click.command()
@MONTH
@click.option("--out", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@CONFIG
@plain_errors
def verify(month: str, out: Path, config: Path) -> None:
    """Compare the documents in a folder with what was issued, and the sums with each other."""
    with transactions(config) as begin, begin() as database:
        closed, issued = read_month(database, month), kept(database, month)
    wrong = [name for name, digest in issued.items() if _sha256(out / name) != digest]
    transfer = out / f"transfer-{month}.txt"
    if transfer.is_file() and parse(transfer.read_bytes()).total != closed.due_yen:
        wrong.append(transfer.name)
    if wrong:
        raise CycleError(month, "taxi.document_changed", f"missing or changed: {', '.join(sorted(set(wrong)))}")
    click.echo(f"{month}: {len(issued)} documents as issued, {closed.due_yen:,} yen due")


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


@click.command(name="parse-transfer")
@click.argument("file", type=_FILE)
@plain_errors
def parse_transfer(file: Path) -> None:
    """Read a Zengin file, check its totals, and show it as JSON."""
    content = parse(file.read_bytes())
    payments = [
        {
            **{name: getattr(payment.account, name) for name in ("bank", "branch", "account")},
            "payee": payment.payee,
            "amount": payment.amount,
        }
        for payment in content.payments
    ]
    head = {"code": content.payer.code, "name": content.payer.name, "mmdd": content.payer.mmdd}
    show({"header": head, "payments": payments, "count": len(payments), "total": content.total})
