"""`mykey card change-pin`: set a new PIN on the card, after the current one."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, cast

import click

from mykey_cardap.cli.frame import ExitCode, Frame, card_command
from mykey_cardap.common_ap import CommonSession, ResidentRegisterSession
from mykey_cardap.errors import PinName
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.session import PinVerification, wipe
from mykey_cardap.text_ap import TextSession

if TYPE_CHECKING:
    from mykey_cardap.session import PinStatus
    from mykey_cardap.transport import Transport

_SESSIONS = {"text": TextSession, "common": CommonSession, "juki": ResidentRegisterSession}
_PINS = ["authentication", "signature", *_SESSIONS]


@click.command("change-pin")
@click.argument("pin", type=click.Choice(_PINS))
@click.option("--pin-stdin", is_flag=True, help="Take two lines of standard input: the current PIN, the new one.")
@click.option("--use-last-try", is_flag=True, help="Go on although only one try is left.")
@card_command
def change_pin(frame: Frame, *, pin: str, pin_stdin: bool, use_last_try: bool) -> None:
    """Change one PIN of the card. PINs with the same digits are separate: each is changed by itself."""
    name = cast("PinName", pin)
    with frame.card() as card:
        status = card.perform(lambda transport: _status(transport, name))
        if not frame.as_json:
            click.echo(frame.tell_status(name, status), err=True)
        current = frame.ask_pin(name, key="ask-current", from_stdin=pin_stdin)
        new = _ask_new(frame, name, from_stdin=pin_stdin)
        frame.note("changing")
        try:
            done = card.perform(lambda transport: _change(transport, name, current, new, last=use_last_try))
        finally:
            wipe(current)
            wipe(new)
    if frame.as_json:
        frame.answer({"changed": name, "password_uppercased": done.uppercased})
        return
    if done.uppercased:
        frame.note("uppercased")
    frame.say("changed", pin=frame.words(f"pin-{name}"))


def _ask_new(frame: Frame, pin: PinName, *, from_stdin: bool) -> bytearray:
    new = frame.ask_pin(pin, key="ask-new", from_stdin=from_stdin)
    if from_stdin:
        return new
    again = frame.ask_pin(pin, key="ask-again", from_stdin=False)
    same = hmac.compare_digest(new, again)
    wipe(again)
    if not same:
        wipe(new)
        click.echo(frame.words.refusal("different"), err=True)
        raise click.exceptions.Exit(ExitCode.NOT_ASKED)
    return new


def _status(transport: Transport, pin: PinName) -> PinStatus:
    return _SESSIONS.get(pin, JpkiSession)(transport).pin_status(pin)


def _change(transport: Transport, pin: PinName, current: bytearray, new: bytearray, *, last: bool) -> PinVerification:
    session = _SESSIONS.get(pin, JpkiSession)(transport)
    if isinstance(session, JpkiSession):
        done = session.change_pin(pin, current, new, allow_last_attempt=last)
    elif isinstance(session, (TextSession, CommonSession, ResidentRegisterSession)):
        done = session.change_pin(current, new, allow_last_attempt=last)
    session.logout()
    return done
