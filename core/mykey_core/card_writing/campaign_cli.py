"""`mykey campaign`: write many cards, go on after a stop, look at the state, and verify the signed report."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
from uuid_utils.compat import uuid7

from mykey_core.audit.keys import create_audit_key, load_audit_key
from mykey_core.audit.note import VerifierKey
from mykey_core.card_writing.campaigns.card_list import ListedCard, read_list, simulated_list
from mykey_core.card_writing.campaigns.journal import FILE, Journal
from mykey_core.card_writing.campaigns.report import verify_report, write_report
from mykey_core.card_writing.campaigns.run import Campaign, StopRules, facts_of
from mykey_core.card_writing.campaigns.setup import Manufacturer, Setup
from mykey_core.card_writing.errors import CampaignError
from mykey_core.card_writing.keys.provider import ProviderKind
from mykey_core.card_writing.profiles import DEMO, CardProfile
from mykey_core.clock import system_clock
from mykey_core.errors import MykeyError
from mykey_core.plugins.errors import PluginError
from mykey_core.plugins.loader import installed_plugins
from mykey_core.plugins.manifest import read_manifest

KEY_NAME = "mykey-campaign"
STOPPED = 3
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
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--hsm", is_flag=True, help="Keys in a PKCS#11 token; needs the three options of the token.")
@click.option("--hsm-kind", type=click.Choice(["sign", "resident"]), default="resident", show_default=True)
@click.option("--hsm-module", type=click.Path(path_type=Path, exists=True), help="The token's PKCS#11 library.")
@click.option("--hsm-token", help="The token's label.")
@click.option("--hsm-pin-file", type=click.Path(path_type=Path, exists=True), help="A file of mode 0600 with its PIN.")
@click.option("--municipality", default="132217", show_default=True)
@click.option("--canary", type=click.FloatRange(0, 1), default=0.005, show_default=True, help="Share that goes first.")
@click.option("--stop-quarantined", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--stop-failures", type=click.FloatRange(0, 1), default=0.02, show_default=True, help="Share of failures."
)
@click.option("--signing-key", type=click.Path(path_type=Path, exists=True), help="Ed25519 key (PEM) for the report.")
@click.option("--language", type=click.Choice(["ja", "en", "ja-Hira"]), default="ja", show_default=True)
@_out
def run(
    profile: str,
    cards_file: Path | None,
    simulate: int | None,
    workers: int,
    hsm_kind: str,
    hsm_module: Path | None,
    hsm_token: str | None,
    hsm_pin_file: Path | None,
    municipality: str,
    canary: float,
    stop_quarantined: int,
    stop_failures: float,
    signing_key: Path | None,
    language: str,
    out: Path,
    *,
    hsm: bool,
) -> None:
    """Write the cards of a list, or simulated cards; go on where it stopped when the folder has a campaign already.

    Exit status 3: a stop rule ended it.
    """
    rules = StopRules(quarantined=stop_quarantined, failure_share=stop_failures, canary_share=canary)
    token = (hsm_module, hsm_token, hsm_pin_file) if hsm else None
    try:
        if token is not None and not all(token):
            raise CampaignError("--hsm needs --hsm-module, --hsm-token and --hsm-pin-file")
        kind = ProviderKind(f"pkcs11-{hsm_kind}") if hsm else ProviderKind.SOFTWARE
        journal = _journal(out, profile, cards_file, simulate, municipality, kind, token)
        reason = _run(out, journal, rules, workers)
        _finish(out, journal, reason, signing_key, language)
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
    if reason:
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


def _journal(
    out: Path,
    profile_name: str,
    cards_file: Path | None,
    simulate: int | None,
    municipality: str,
    kind: ProviderKind,
    token: tuple[Path | None, str | None, Path | None] | None,
) -> Journal:
    """The folder's journal, or a new one; everything of the list is checked before it exists."""
    if (out / FILE).exists():
        journal = Journal(out)
        found = Setup.from_facts(facts_of(journal))
        if (found.profile_name, found.municipality, found.provider) != (profile_name, municipality, kind):
            raise CampaignError("this folder has a campaign of another profile, town or key provider")
        click.echo(f"going on with campaign {found.campaign}: {journal.count()}")
        return journal
    profile = _profile(profile_name)
    cards = _cards(cards_file, simulate, profile)
    out.mkdir(parents=True, exist_ok=True)
    setup = Setup(
        campaign=str(uuid7()),
        municipality=municipality,
        profile_name=profile_name,
        profile=profile,
        provider=kind,
        generation=1,
        cards=len(cards),
        simulated=True,
        keys_file=None if token else str(out.resolve() / "card-keys.json"),
        token=(str(token[0]), str(token[1]), str(token[2])) if token else None,
    )
    Manufacturer.of(setup, out)
    facts = {**setup.as_facts(), "began": system_clock().isoformat(timespec="seconds")}
    return Journal.create(out, cards, facts)


def _cards(cards_file: Path | None, simulate: int | None, profile: CardProfile) -> list[ListedCard]:
    if (cards_file is None) == (simulate is None):
        raise CampaignError("name either --cards FILE or --simulate N")
    return read_list(cards_file, profile) if cards_file else list(simulated_list(simulate or 0, profile))


def _profile(name: str) -> CardProfile:
    if name == "demo":
        return DEMO
    point = installed_plugins().get(name)
    if point is None:
        raise CampaignError(f"there is no plugin '{name}'")
    try:
        profile = read_manifest(point.value, name).card_profile
    except PluginError as error:
        raise CampaignError(str(error)) from error
    if profile is None:
        raise CampaignError(f"the manifest of '{name}' has no card profile")
    return profile


def _run(out: Path, journal: Journal, rules: StopRules, workers: int) -> str | None:
    left = len(journal.unfinished())
    began = time.monotonic()
    with click.progressbar(length=left, label="writing", show_pos=True, item_show_func=_rate) as bar:

        def progress(count: int) -> None:
            rate = (bar.pos + count) / (time.monotonic() - began)
            bar.update(count, current_item=rate)

        reason = Campaign(out, journal, rules, workers=workers).run(progress)
    seconds = time.monotonic() - began
    click.echo(f"{left:,} cards in {seconds:.1f} s: {left / max(seconds, 1e-9):,.0f} cards/s, {workers} workers")
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
