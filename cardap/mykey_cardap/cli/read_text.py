"""`mykey card read-text`: name, address, birth date and sex from the text application, after the text PIN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from mykey_cardap.cli.frame import Frame, card_command
from mykey_cardap.errors import IssuerSignatureError
from mykey_cardap.session import wipe
from mykey_cardap.text_ap import Attributes, IndividualNumber, TextSession

if TYPE_CHECKING:
    from mykey_cardap.transport import Transport


@dataclass(frozen=True, slots=True)
class _TextRead:
    attributes: Attributes
    number: IndividualNumber | None
    consistent: bool


@click.command("read-text")
@click.option("--with-number", is_flag=True, help="Read the 個人番号 too. The law limits who may.")
@click.option("--pin-stdin", is_flag=True, help="Take the PIN from standard input.")
@click.option("--use-last-try", is_flag=True, help="Use the PIN although only one try is left.")
@card_command
def read_text(frame: Frame, *, with_number: bool, pin_stdin: bool, use_last_try: bool) -> None:
    """Read name, address, birth date and sex. Asks for the text PIN (four digits)."""
    with frame.card() as card:
        status = card.perform(lambda transport: TextSession(transport).pin_status("text"))
        if not frame.as_json:
            click.echo(frame.tell_status("text", status), err=True)
        pin = frame.ask_pin("text", from_stdin=pin_stdin)
        frame.note("reading")
        try:
            found = card.perform(
                lambda transport: _read(transport, pin, with_number=with_number, use_last_try=use_last_try)
            )
        finally:
            wipe(pin)
    if frame.as_json:
        frame.answer(_as_json(found))
    else:
        _print(frame, found)


def _read(transport: Transport, pin: bytearray, *, with_number: bool, use_last_try: bool) -> _TextRead:
    session = TextSession(transport)
    session.verify_pin("text", pin, allow_last_attempt=use_last_try)
    attributes = session.read_attributes()
    number = session.read_number() if with_number else None
    signatures, certificate = session.read_signatures(), session.read_cv_certificate()
    session.logout()
    try:
        signatures.verify(certificate.public_key, number=number, attributes=attributes)
    except IssuerSignatureError:
        return _TextRead(attributes, number, consistent=False)
    return _TextRead(attributes, number, consistent=True)


def _print(frame: Frame, found: _TextRead) -> None:
    attributes = found.attributes
    frame.say("name", name=attributes.name)
    frame.say("address", address=attributes.address)
    frame.say("birth-date", birth_date=attributes.birth_date)
    frame.say("sex", sex=frame.words(f"sex-{attributes.sex}"))
    if found.number is not None:
        frame.say("number", number=found.number.digits)
    frame.say("signature-consistent" if found.consistent else "signature-wrong")


def _as_json(found: _TextRead) -> dict[str, object]:
    attributes = found.attributes
    answer: dict[str, object] = {
        "name": attributes.name,
        "address": attributes.address,
        "birth_date": attributes.birth_date.isoformat(),
        "sex": {"code": str(attributes.sex), "name": attributes.sex.name.lower()},
        "signature_fits_key_on_card": found.consistent,
    }
    if found.number is not None:
        answer["number"] = found.number.digits
    return answer
