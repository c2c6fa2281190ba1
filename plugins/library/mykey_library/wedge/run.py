"""The loop of `mykey library wedge`: wait for a card, ask for the PIN, hand the number on, wait until it is gone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import Any

import click

from mykey_library.wedge.agent import Agent
from mykey_library.wedge.errors import AgentRefused, WedgeError
from mykey_library.wedge.form import CheckDigit, NumberForm
from mykey_library.wedge.sinks import Keyboard, LocalSocket, Sink


def run(port: int, origin: str, service: str, options: Mapping[str, Any]) -> None:
    """Serve taps until Ctrl-C."""
    with ExitStack() as stack:
        sinks = _sinks(stack, options)
        code = click.prompt("Pairing code", hide_input=True)
        agent = stack.enter_context(closing(Agent(port, origin, code)))
        form = _form(options)
        while True:
            _one_card(agent, service, form, sinks)


def _sinks(stack: ExitStack, options: Mapping[str, Any]) -> list[Sink]:
    found: list[Sink] = [Keyboard()] if options["keys"] else []
    if options["websocket"] is not None:
        found.append(stack.enter_context(LocalSocket(options["websocket"], options["listener_origin"])))
    if not found:
        raise WedgeError("name --keys or --websocket")
    return found


def _form(options: Mapping[str, Any]) -> NumberForm:
    suffix = "" if options["no_enter"] else "\n"
    kind = CheckDigit(options["check_digit"])
    return NumberForm(options["prefix"], options["start"], options["stop"], suffix, kind)


def _one_card(agent: Agent, service: str, form: NumberForm, sinks: list[Sink]) -> None:
    agent.wait_for_card(present=True)
    try:
        number = agent.patron_number(service, _ask_pin)
        for sink in sinks:
            sink.send(form.dress(number))
        click.echo("sent")  # never the number: the screen is at a counter
    except AgentRefused as refused:
        click.echo(f"refused: {refused.code}", err=True)
    agent.wait_for_card(present=False)


def _ask_pin(left: int | None) -> str | None:
    shown = "" if left is None else f" ({left} tries left)"
    pin: str = click.prompt(f"PIN{shown}, empty to give up", hide_input=True, default="", show_default=False)
    return pin or None
