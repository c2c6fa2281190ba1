"""Putting an open card together: an issuer security domain, its keys, and the programs that can be installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mykey_cardap.emulator.application import Application
from mykey_cardap.emulator.card import Behaviour
from mykey_cardap.emulator.globalplatform.application import Factory
from mykey_cardap.emulator.globalplatform.contents import CardContents, ContentsMemory, StoredKeys, VolatileMemory
from mykey_cardap.emulator.globalplatform.domain_session import DomainOptions
from mykey_cardap.emulator.globalplatform.issuer_domain import IssuerDomain
from mykey_cardap.emulator.globalplatform.runtime import OpenCard

OTHER_DOMAIN_AIDS: Final = (bytes.fromhex("A0000001510000"),)
"""Names under which cards also know their issuer domain."""

DEFAULT_KEY: Final = bytes(range(0x40, 0x50))
"""The published test key that most development cards are delivered with. Never a secret."""
DEFAULT_KEY_VERSION: Final = 0x30


def default_keys() -> StoredKeys:
    """ENC, MAC and DEK all 40 41 … 4F under version 30."""
    return StoredKeys(DEFAULT_KEY_VERSION, {1: DEFAULT_KEY, 2: DEFAULT_KEY, 3: DEFAULT_KEY})


def make_open_card(
    memory: ContentsMemory | None = None,
    *,
    factories: Mapping[bytes, Factory] | None = None,
    options: DomainOptions | None = None,
    built_in: Iterable[Application] = (),
    behaviour: Behaviour | None = None,
) -> OpenCard:
    """A card without power. Without `memory` it is fresh, with the published test keys, and forgets at the end.

    `factories` are programs by module AID; a module that has none answers 6D00 to everything. `built_in` are
    applications in the manner of `VirtualCard`, such as those of a persona.
    """
    options = options or DomainOptions()
    memory = memory or VolatileMemory(CardContents(keys=(default_keys(),)))
    domain = IssuerDomain(memory, options)
    aids = (options.aid, *(aid for aid in OTHER_DOMAIN_AIDS if aid != options.aid))
    card = OpenCard(memory, domain, domain_aids=aids, factories=factories, built_in=built_in, behaviour=behaviour)
    domain.attach(card)
    return card
