"""`mykey card personas`: the synthetic people whose cards can be emulated."""

from __future__ import annotations

import json
from typing import Any

import click

from mykey_cardap.emulator.personas import Persona, load, names


@click.command("personas")
@click.option("--json", "as_json", is_flag=True, help="One JSON array for programs.")
def personas(*, as_json: bool) -> None:
    """List the emulated cards with their PINs. All people are invented."""
    people = [load(name) for name in names()]
    if as_json:
        click.echo(json.dumps([persona_fields(person) for person in people], ensure_ascii=False, indent=2))
        return
    for person in people:
        click.echo(f"{person.name:<20}{person.title.ja} / {person.title.en}")
        click.echo(f"{'':<20}{person.purpose.ja}\n{'':<20}{person.purpose.en}")
        click.echo(f"{'':<20}{_secrets(person)}\n")


def persona_fields(person: Persona) -> dict[str, Any]:
    """What the list tells about a persona. `number_a` and the PINs open the virtual card and nothing else."""
    return {
        "name": person.name,
        "title": {"ja": person.title.ja, "en": person.title.en},
        "purpose": {"ja": person.purpose.ja, "en": person.purpose.en},
        "card": str(person.card),
        "municipality": person.municipality.code,
        "auth_pin": person.auth_pin,
        "sign_pin": person.sign_pin,
        "text_pin": person.text_pin,
        "number_a": person.number_a,
        "number_b": person.number_b,
    }


def _secrets(person: Persona) -> str:
    fields = persona_fields(person)
    return "  ".join(f"{key}={fields[key]}" for key in ("auth_pin", "sign_pin", "text_pin", "number_a", "number_b"))
