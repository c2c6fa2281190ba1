"""What a card has, read from the card: its directory and, with the keys, one service in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mykey_cardap.service_application.numbers import LifeCycle
from mykey_cardap.service_application.profile import AccessRules, Parameters, ServiceHeader


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One service. What only its keys can read (profile, limits, access, value) is None until it was read."""

    service: int
    issuer: int
    life_cycle: LifeCycle
    generations: tuple[int, ...]
    counter: int
    profile: bytes | None = field(default=None, repr=False)
    parameters: Parameters | None = None
    access: AccessRules | None = None
    value: int | None = None


@dataclass(frozen=True, slots=True)
class CardState:
    """A card of ours: `header` is that of the whole application, `slots` how many services fit."""

    header: ServiceHeader
    slots: int
    counter: int
    services: Mapping[int, ServiceState]

    def as_json(self) -> dict[str, object]:
        """For a report at the counter; without the serial and without the profiles."""
        return {
            "generation": self.header.generations[0],
            "generation_floor": self.header.floor,
            "slots": {"used": len(self.services), "all": self.slots},
            "transactions": self.counter,
            "services": [
                {
                    "service": f"{found.service:04X}",
                    "issuer": f"{found.issuer:06d}",
                    "state": found.life_cycle.name.lower(),
                    "complete": bool(found.generations and all(found.generations)),
                    "generations": list(found.generations),
                    "transactions": found.counter,
                }
                for found in self.services.values()
            ],
        }


@dataclass(frozen=True, slots=True)
class DomainState:
    """What an issuer security domain tells of a card that may not be ours yet.

    `card_state` is the card's life cycle (01 to FF), `key_versions` those of the domain's key sets; `instance` is the
    life cycle of our application (None: not installed), `generation` that of its card-level key (0: none).
    """

    card_state: int
    key_versions: tuple[int, ...]
    loaded: bool
    instance: int | None
    generation: int

    def as_json(self) -> dict[str, object]:
        """For a dry run."""
        return {
            "card_state": f"{self.card_state:02X}",
            "key_versions": [f"{version:02X}" for version in self.key_versions],
            "loaded": self.loaded,
            "application": None if self.instance is None else f"{self.instance:02X}",
            "generation": self.generation,
        }
