"""What `mykey campaign run` was asked for, and the journal that this makes or goes on with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from uuid_utils.compat import uuid7

from mykey_cardap.globalplatform.cap_archive import cap_components
from mykey_cardap.globalplatform.errors import InvalidContentError
from mykey_core.card_writing.campaigns.card_list import CHIP, ListedCard, read_list, simulated_list
from mykey_core.card_writing.campaigns.journal import FILE, Journal
from mykey_core.card_writing.campaigns.readers import pcsc_readers
from mykey_core.card_writing.campaigns.run import StopRules, facts_of
from mykey_core.card_writing.campaigns.setup import Manufacturer, Setup
from mykey_core.card_writing.domain_desk import IssuerKeys
from mykey_core.card_writing.errors import CampaignError
from mykey_core.card_writing.keys.generations import Generations
from mykey_core.card_writing.keys.provider import ProviderKind
from mykey_core.card_writing.profiles import DEMO, CardProfile
from mykey_core.clock import system_clock
from mykey_core.plugins.errors import PluginError
from mykey_core.plugins.loader import installed_plugins
from mykey_core.plugins.manifest import read_manifest
from mykey_core.settings import load_settings
from mykey_core.storage.database import open_database


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line, as click gives them."""

    out: Path
    profile: str = "demo"
    cards_file: Path | None = None
    simulate: int | None = None
    simulated: bool = False
    readers: tuple[str, ...] = ()
    config: Path = Path("hub.toml")
    issuer_keys: Path | None = None
    load_file: Path | None = None
    secure: bool = False
    dry_run: bool = False
    workers: int = 2
    hsm: bool = False
    hsm_kind: str = "resident"
    hsm_module: Path | None = None
    hsm_token: str | None = None
    hsm_pin_file: Path | None = None
    municipality: str = "132217"
    canary: float = 0.005
    stop_quarantined: int = 3
    stop_failures: float = 0.02
    signing_key: Path | None = None
    language: str = "ja"

    @property
    def on_simulated_cards(self) -> bool:
        """Whether no reader is used."""
        return self.simulated or self.simulate is not None

    @property
    def resumed(self) -> bool:
        """Whether the folder has a campaign already that has begun."""
        return (self.out / FILE).exists()

    @property
    def rules(self) -> StopRules:
        """When to stop."""
        return StopRules(quarantined=self.stop_quarantined, failure_share=self.stop_failures, canary_share=self.canary)

    @property
    def token(self) -> tuple[str, str, str] | None:
        """Module, label, PIN file. `CampaignError` when `--hsm` comes without one of them."""
        if not self.hsm:
            return None
        if not (self.hsm_module and self.hsm_token and self.hsm_pin_file):
            raise CampaignError("--hsm needs --hsm-module, --hsm-token and --hsm-pin-file")
        return str(self.hsm_module), self.hsm_token, str(self.hsm_pin_file)

    def code(self) -> bytes:
        """The components of the load file; empty without one. `CampaignError` when it is no CAP file."""
        if self.load_file is None:
            return b""
        try:
            return cap_components(self.load_file.read_bytes())
        except (InvalidContentError, OSError) as error:
            raise CampaignError(f"--load-file: {error}") from error


def prepared(options: Options) -> Journal:
    """The folder's journal, or a new one; everything that can be refused without a card is refused here."""
    _check(options)
    return _found(options) if options.resumed else _new(options)


def _check(options: Options) -> None:
    if options.dry_run and options.on_simulated_cards:
        raise CampaignError("--dry-run is for cards in readers; simulated cards can be thrown away")
    if (options.issuer_keys is None) != (options.load_file is None):
        raise CampaignError("fresh cards need both --issuer-keys and --load-file")
    if options.secure and options.issuer_keys is None:
        raise CampaignError("--secure is for fresh cards: it needs --issuer-keys and --load-file")
    if options.issuer_keys is not None:
        IssuerKeys.load(options.issuer_keys)
        options.code()


def _found(options: Options) -> Journal:
    journal = Journal(options.out)
    found = Setup.from_facts(facts_of(journal))
    same = found.profile_name == options.profile and found.simulated is options.on_simulated_cards
    if found.simulated:
        same = same and (found.municipality, found.provider) == (options.municipality, _provider(options))
    if not same:
        raise CampaignError("this folder has a campaign of another profile, town, key provider, or kind of cards")
    return journal


def _new(options: Options) -> Journal:
    profile = _profile(options.profile)
    cards = _cards(options, profile)
    setup = _simulated(options, profile, len(cards)) if options.on_simulated_cards else _real(options, profile, cards)
    options.out.mkdir(parents=True, exist_ok=True)
    if setup.simulated:
        Manufacturer.of(setup, options.out)
    facts = {**setup.as_facts(), "began": system_clock().isoformat(timespec="seconds")}
    return Journal.create(options.out, cards, facts)


def _simulated(options: Options, profile: CardProfile, cards: int) -> Setup:
    return Setup(
        campaign=str(uuid7()),
        municipality=options.municipality,
        profile_name=options.profile,
        profile=profile,
        provider=_provider(options),
        generation=1,
        cards=cards,
        simulated=True,
        keys_file=None if options.hsm else str(options.out.resolve() / "card-keys.json"),
        token=options.token,
    )


def _real(options: Options, profile: CardProfile, cards: list[ListedCard]) -> Setup:
    """With the town's own keys, in the generation that its register says."""
    if options.issuer_keys is not None and not any(CHIP in card.columns for card in cards):
        raise CampaignError(f"fresh cards are found by their number: the list needs the column `{CHIP}`")
    settings = load_settings(options.config)
    keys = settings.card_writing.open_keys(settings.municipality)
    database = open_database(settings.database_url, settings.municipality)
    try:
        with database.reading() as session:
            register = Generations(settings.municipality)
            generation, floor = register.current(session, keys), register.floor(session)
    finally:
        database.dispose()
    pcsc_readers(options.readers)  # there are readers, and the names are right
    return Setup(
        campaign=str(uuid7()),
        municipality=settings.municipality,
        profile_name=options.profile,
        profile=profile,
        provider=keys.kind,
        generation=generation,
        cards=len(cards),
        simulated=False,
        config=str(options.config.resolve()),
        floor=floor,
    )


def _provider(options: Options) -> ProviderKind:
    return ProviderKind(f"pkcs11-{options.hsm_kind}") if options.token else ProviderKind.SOFTWARE


def _cards(options: Options, profile: CardProfile) -> list[ListedCard]:
    if (options.cards_file is None) == (options.simulate is None):
        raise CampaignError("name either --cards FILE or --simulate N")
    if options.cards_file is not None:
        return read_list(options.cards_file, profile)
    return list(simulated_list(options.simulate or 0, profile))


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
