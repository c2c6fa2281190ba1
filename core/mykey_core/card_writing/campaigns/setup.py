"""What a campaign is: its folder, profile, town and keys. Everything a worker process needs to begin work."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.service_application.numbers import ROOT_SERVICE, Role
from mykey_core.card_writing.campaigns.card_list import card_data
from mykey_core.card_writing.campaigns.journal import CardRow
from mykey_core.card_writing.keys.provider import CardKeyProvider, ProviderKind
from mykey_core.card_writing.keys.slots import KeyPart, KeySlot
from mykey_core.card_writing.keys.software import MASTER_SIZE, SoftwareCardKeys, load_card_keys
from mykey_core.card_writing.keys.tokens import TokenResidentCardKeys, TokenSignCardKeys
from mykey_core.card_writing.plan import Operation
from mykey_core.card_writing.profiles import CardProfile
from mykey_core.card_writing.writer import Job
from mykey_core.keys.pkcs11 import TokenSettings
from mykey_core.settings import load_settings

STOCK_FILE: Final = "cards.bin"
FACTORY_FILE: Final = "simulated-manufacturer.json"
_SET: Final = (KeyPart.ENC, KeyPart.MAC, KeyPart.DEK)


@dataclass(frozen=True, slots=True)
class Setup:
    """A campaign's unchanging facts, as they stand in its journal."""

    campaign: str
    municipality: str
    profile_name: str
    profile: CardProfile
    provider: ProviderKind
    generation: int
    cards: int
    simulated: bool
    keys_file: str | None = None
    token: tuple[str, str, str] | None = None
    """Module, label, PIN file of the token."""
    config: str | None = None
    """The hub's settings, for a town's own keys."""
    floor: int = 1

    def as_facts(self) -> dict[str, Any]:
        """For the journal."""
        return {
            "campaign": self.campaign,
            "municipality": self.municipality,
            "profile_name": self.profile_name,
            "profile": self.profile.model_dump(mode="json"),
            "provider": str(self.provider),
            "generation": self.generation,
            "cards": self.cards,
            "simulated": self.simulated,
            "keys_file": self.keys_file,
            "token": self.token,
            "config": self.config,
            "floor": self.floor,
        }

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Self:
        """Inverse of `as_facts`; other facts are passed over."""
        return cls(
            campaign=facts["campaign"],
            municipality=facts["municipality"],
            profile_name=facts["profile_name"],
            profile=CardProfile.model_validate(facts["profile"]),
            provider=ProviderKind(facts["provider"]),
            generation=facts["generation"],
            cards=facts["cards"],
            simulated=facts["simulated"],
            keys_file=facts["keys_file"],
            token=tuple(facts["token"]) if facts["token"] else None,
            config=facts.get("config"),
            floor=facts.get("floor", 1),
        )

    @property
    def issuer(self) -> int:
        """The town's code as a number."""
        return int(self.municipality)

    def open_keys(self) -> CardKeyProvider:
        """The master keys; called in the process that uses them."""
        if self.config is not None:
            return load_settings(Path(self.config)).card_writing.open_keys(self.municipality)
        if self.token is None:
            return load_card_keys(Path(self.keys_file or ""))
        module, label, pin_file = self.token
        settings = TokenSettings(Path(module), label, Path(pin_file))
        resident = self.provider is ProviderKind.PKCS11_RESIDENT
        return (TokenResidentCardKeys if resident else TokenSignCardKeys)(settings, self._token_town)

    @property
    def _token_town(self) -> str:
        """Keys of simulated cards never mix with a town's own in one token."""
        return f"simulated-{self.campaign}" if self.simulated else self.municipality

    def job(self, row: CardRow, *, dry_run: bool = False) -> Job:
        """What shall be done with one card of the list."""
        image = self.profile.image(self.issuer, card_data(self.profile, row.columns))
        return Job(Operation.WRITE, self.profile.service, self.issuer, self.generation, image, dry_run=dry_run)


class Manufacturer:
    """Who made the simulated cards, and put the card-level key into each: knows the simulated master key."""

    def __init__(self, setup: Setup, master: bytes) -> None:
        self._setup = setup
        self._master = master

    @classmethod
    def of(cls, setup: Setup, folder: Path) -> Manufacturer:
        """With the master in `folder`, which the first call makes and gives to the campaign's key provider."""
        path = folder / FACTORY_FILE
        own = load_card_keys(path)
        if not own.masters:
            own.add_master(setup.generation, secrets.token_bytes(MASTER_SIZE))
        master = own.masters[setup.generation]
        provider = setup.open_keys()
        if setup.generation not in provider.generations():
            provider.add_master(setup.generation, master)
        return cls(setup, master)

    def personalization(self, serial: bytes) -> bytes:
        """What the card leaves the factory with: generation ‖ ENC ‖ MAC ‖ DEK ‖ check values."""
        slot = KeySlot(self._setup.issuer, ROOT_SERVICE, Role.ADMIN, self._setup.generation, serial)
        keys = self._resident(slot) if self._setup.provider is ProviderKind.PKCS11_RESIDENT else self._tree(slot)
        return bytes((slot.generation,)) + keys.enc + keys.mac + keys.dek + b"".join(keys.check_values())

    def _tree(self, slot: KeySlot) -> ScpKeys:
        provider = SoftwareCardKeys({slot.generation: self._master})
        return provider.key_set(slot).keys

    def _resident(self, slot: KeySlot) -> ScpKeys:
        block = Cipher(algorithms.AES(self._master), modes.ECB()).encryptor()  # noqa: S305 - what the token does
        return ScpKeys(*(block.update(slot.resident_block(part)) for part in _SET))
