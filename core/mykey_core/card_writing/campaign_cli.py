"""`mykey campaign`: write many cards, go on after a stop, look at the state, and verify the signed report."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from mykey_core.audit.keys import create_audit_key, load_audit_key
from mykey_core.audit.note import VerifierKey
from mykey_core.card_writing.campaigns.at_readers import INTERRUPTED, run_at_readers
from mykey_core.card_writing.campaigns.journal import Journal
from mykey_core.card_writing.campaigns.options import Options, prepared
from mykey_core.card_writing.campaigns.report import verify_report, write_report
from mykey_core.card_writing.campaigns.run import Campaign, facts_of
from mykey_core.card_writing.campaigns.setup import Setup
from mykey_core.clock import system_clock
from mykey_core.errors import MykeyError

KEY_NAME = "mykey-campaign"
STOPPED = 3
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_out = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The campaign's folder."
)


@click.group()
def campaign() -> None:
    """Writing many cards."""


@campaign.command()
@click.option(
    "--profile", default="demo", show_default=True, help="`demo`, or a plugin whose manifest has a card profile."
)
@click.option("--cards", "cards_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV list.")
@click.option("--simulate", type=click.IntRange(1, 10_000_000), help="So many simulated cards with made-up content.")
@click.option("--simulated", is_flag=True, help="Rehearse: write the list onto simulated cards, not those in readers.")
@click.option("--reader", "readers", multiple=True, help="A card reader, or a part of its name; without it: all.")
@click.option("--config", type=click.Path(path_type=Path), default=Path("hub.toml"), help="The hub's: town and keys.")
@click.option("--issuer-keys", type=_FILE, help="Cards are fresh: a file with the keys of their issuer domain.")
@click.option("--load-file", type=_FILE, help="Cards are fresh: the applet's CAP file.")
@click.option("--secure", is_flag=True, help="Fresh cards are taken to SECURED, which cannot be undone.")
@click.option("--dry-run", is_flag=True, help="Show what each card in a reader would need; nothing is written.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="For simulated cards.")
@click.option("--hsm", is_flag=True, help="Simulated cards: keys in a PKCS#11 token; needs the token's three options.")
@click.option("--hsm-kind", type=click.Choice(["sign", "resident"]), default="resident", show_default=True)
@click.option("--hsm-module", type=_FILE, help="The token's PKCS#11 library.")
@click.option("--hsm-token", help="The token's label.")
@click.option("--hsm-pin-file", type=_FILE, help="A file of mode 0600 with its PIN.")
@click.option("--municipality", default="132217", show_default=True, help="For simulated cards.")
@click.option("--canary", type=click.FloatRange(0, 1), default=0.005, show_default=True, help="Share that goes first.")
@click.option("--stop-quarantined", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--stop-failures", type=click.FloatRange(0, 1), default=0.02, show_default=True, help="Share of failures."
)
@click.option("--signing-key", type=_FILE, help="Ed25519 key (PEM) for the report.")
@click.option("--language", type=click.Choice(["ja", "en", "ja-Hira"]), default="ja", show_default=True)
@_out
def run(**given: Any) -> None:
    """Write the cards of a list in card readers, or simulated cards; go on when the folder has a campaign already.

    Exit status 3: a stop rule ended it. Ctrl-C ends it after the cards under way; run it again to go on.
    """
    options = Options(**given)
    try:
        resumed = options.resumed
        journal = prepared(options)
        reason = _run(options, journal, resumed=resumed)
        if not options.dry_run:
            _finish(options.out, journal, reason, options.signing_key, options.language)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    if reason and reason != INTERRUPTED:
        raise SystemExit(STOPPED)


@campaign.command()
@_out
def status(out: Path) -> None:
    """Show how many cards are in which state (JSON)."""
    try:
        journal = Journal(out)
        click.echo(json.dumps({**facts_of(journal), "states": journal.count()}, ensure_ascii=False, indent=2))
    except MykeyError as error:
        raise click.ClickException(str(error)) from error


@campaign.command()
@_out
@click.option("--key", "line", required=True, help="The verifier key that `run` printed.")
def verify(out: Path, line: str) -> None:
    """Verify the signature of a report and the digests of its files."""
    try:
        for text in verify_report(out, VerifierKey.parse(line)):
            click.echo(text)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error


def _run(options: Options, journal: Journal, *, resumed: bool) -> str | None:
    setup = Setup.from_facts(facts_of(journal))
    if resumed:
        click.echo(f"going on with campaign {setup.campaign}: {journal.count()}")
    if setup.simulated:
        return _run_simulated(options, journal)
    return run_at_readers(options, setup, journal)


def _run_simulated(options: Options, journal: Journal) -> str | None:
    left = len(journal.unfinished())
    began = time.monotonic()
    with click.progressbar(length=left, label="writing", show_pos=True, item_show_func=_rate) as bar:

        def progress(count: int) -> None:
            rate = (bar.pos + count) / (time.monotonic() - began)
            bar.update(count, current_item=rate)

        reason = Campaign(options.out, journal, options.rules, workers=options.workers).run(progress)
    seconds = time.monotonic() - began
    click.echo(
        f"{left:,} cards in {seconds:.1f} s: {left / max(seconds, 1e-9):,.0f} cards/s, {options.workers} workers"
    )
    return reason


def _rate(rate: float | None) -> str | None:
    return None if rate is None else f"{rate:,.0f} cards/s"


def _finish(out: Path, journal: Journal, reason: str | None, signing_key: Path | None, language: str) -> None:
    journal.set_facts(ended=system_clock().isoformat(timespec="seconds"), stopped=reason)
    if signing_key is None:
        signing_key = out / "report-key.pem"
        if not signing_key.exists():
            create_audit_key(signing_key)
    signer = load_audit_key(signing_key, KEY_NAME)
    note = write_report(out, journal, signer, language)
    for state, count in sorted(journal.count().items()):
        click.echo(f"{state}: {count:,}")
    if reason:
        click.echo(f"STOPPED by the rule '{reason}': find out why before you run it again", err=True)
    click.echo(f"report: {note}\nverifier key: {signer.verifier}")
    journal.close()
