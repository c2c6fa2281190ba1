"""Putting a card together: the applications of a persona, their PINs in a state file, and the options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from mykey_cardap.emulator import personas
from mykey_cardap.emulator.application import Application, Options
from mykey_cardap.emulator.aps import jpki as jpki_ap
from mykey_cardap.emulator.aps import next_generation
from mykey_cardap.emulator.aps.common import common_application
from mykey_cardap.emulator.aps.face import face_application
from mykey_cardap.emulator.aps.issuer_domain import contact_atr_object, issuer_domain_application
from mykey_cardap.emulator.aps.juki import juki_application
from mykey_cardap.emulator.aps.text import text_application
from mykey_cardap.emulator.card import Behaviour, VirtualCard, by_aid
from mykey_cardap.emulator.epoch import today_in_japan
from mykey_cardap.emulator.files import Pin
from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.emulator.personas import CardType, Persona
from mykey_cardap.emulator.service_application.persona_cards import (
    blank_memory,
    card_serial,
    with_service_application,
)
from mykey_cardap.emulator.state import CardState


class NoFreeAreaError(ValueError):
    """A phone or an old card, on which no further application can be installed."""


def make_card(
    persona_name: str,
    *,
    today: date | None = None,
    state: Path | None = None,
    behaviour: Behaviour | None = None,
    options: Options | None = None,
    service_application: bool = False,
) -> VirtualCard:
    """The card of a persona, without power.

    `today` (default: today in Japan) fixes the epoch of its certificates. With `state` the PINs and their
    counters are loaded from and kept in that file; without, they live as long as the card object. With
    `service_application` our own application is in the card's free area, and in the state file what is written to it.
    Raises `personas.UnknownPersonaError`, `state.CardStateError`, and `NoFreeAreaError` for anything but a plastic
    My Number Card.
    """
    today = today or today_in_japan()
    behaviour = behaviour or Behaviour()
    persona = personas.load(persona_name, today)
    applications = list(_applications(persona, EmulatedJpki(today), options or Options(), behaviour.atr))
    _apply_remaining(persona, applications)
    if service_application and persona.card is not CardType.MY_NUMBER:
        raise NoFreeAreaError(f"the persona {persona_name!r} has no card with a free area for our application")
    memory = blank_memory() if service_application else None
    CardState(persona_name, _pins_by_key(applications), state, memory)
    domain = next((found for found in applications if found.name == "issuer-domain"), None)
    if memory is None:
        return VirtualCard(by_aid(applications), issuer_domain=domain, behaviour=behaviour)
    return with_service_application(
        [found for found in applications if found is not domain],
        serial=card_serial(persona.holder.manufacture_serial),
        issuer=int(persona.holder.municipality_code),
        memory=memory,
        objects=domain.data_objects if domain else {},
        behaviour=behaviour,
    )


def _applications(persona: Persona, jpki: EmulatedJpki, options: Options, atr: bytes) -> Iterator[Application]:
    if persona.card is CardType.NEXT_GENERATION:
        yield next_generation.authentication_application(persona, jpki, options)
        yield next_generation.face_application(persona, jpki, options)
        return
    contact_atr = None if persona.card.is_phone else contact_atr_object(atr)
    yield jpki_ap.application(persona, jpki, options, data_objects=contact_atr)
    if persona.card is CardType.MY_NUMBER:
        yield from _resident_applications(persona, options, atr)


def _resident_applications(persona: Persona, options: Options, atr: bytes) -> Iterator[Application]:
    """What only the plastic card has; its three four-digit PINs usually get one value at the office (§7)."""
    holder, contact_atr = persona.holder, contact_atr_object(atr)
    pin = persona.text_pin.encode() if persona.uses_pins else None
    yield text_application(holder, pin=pin, options=options, data_objects=contact_atr)
    yield face_application(holder, options=options, data_objects=contact_atr)
    yield common_application(holder, pin=pin, options=options, data_objects=contact_atr)
    yield juki_application(holder, pin=pin, options=options, data_objects=contact_atr)
    yield issuer_domain_application(holder, contact_atr=atr)


def _apply_remaining(persona: Persona, applications: Iterable[Application]) -> None:
    for application in applications:
        for pin in application.pins():
            pin.remaining = persona.remaining.get(pin.name, pin.remaining)


def _pins_by_key(applications: Iterable[Application]) -> dict[str, Pin]:
    return {f"{found.name}/{pin.name}": pin for found in applications for pin in found.pins()}
