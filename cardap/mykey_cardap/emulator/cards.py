"""Putting a card together: the applications of a persona, their PINs in a state file, and the options."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final, TypeAlias

from mykey_cardap.emulator import personas
from mykey_cardap.emulator.application import Application, Options
from mykey_cardap.emulator.aps import jpki as jpki_ap
from mykey_cardap.emulator.card import Behaviour, VirtualCard, by_aid
from mykey_cardap.emulator.epoch import today_in_japan
from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.emulator.personas import CardType, Persona
from mykey_cardap.emulator.state import CardState

ApplicationBuilder: TypeAlias = Callable[[Persona, EmulatedJpki, Options], Application]
"""Makes one application of a persona's card."""

_PLASTIC: Final[tuple[ApplicationBuilder, ...]] = (jpki_ap.application,)
_PHONE: Final[tuple[ApplicationBuilder, ...]] = (jpki_ap.application,)

_CARDS: Final = {
    CardType.MY_NUMBER: _PLASTIC,
    CardType.JUKI: _PHONE,
    CardType.ANDROID: _PHONE,
    CardType.IOS: _PHONE,
    CardType.NEXT_GENERATION: _PLASTIC,
}


def make_card(
    persona_name: str,
    *,
    today: date | None = None,
    state: Path | None = None,
    behaviour: Behaviour | None = None,
    options: Options | None = None,
) -> VirtualCard:
    """The card of a persona, without power.

    `today` (default: today in Japan) fixes the epoch of its certificates. With `state` the PINs and their
    counters are loaded from and kept in that file; without, they live as long as the card object.
    Raises `personas.UnknownPersonaError` and `state.CardStateError`.
    """
    today = today or today_in_japan()
    persona = personas.load(persona_name, today)
    jpki = EmulatedJpki(today)
    applications = [build(persona, jpki, options or Options()) for build in _CARDS[persona.card]]
    pins = {f"{ap.name}/{pin.name}": pin for ap in applications for pin in ap.pins()}
    CardState(persona_name, pins, state)
    return VirtualCard(by_aid(applications), behaviour=behaviour or Behaviour())
