"""`mykey card show`: what the card in the reader is, without a PIN and without costing a try."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click

from mykey_cardap.cli.frame import Frame, card_command
from mykey_cardap.overview import (
    CardOverview,
    CertificateOverview,
    CertificateState,
    PinOverview,
    read_overview,
)

_TOKYO = ZoneInfo("Asia/Tokyo")  # a certificate ends at the end of a day in Japan, wherever the computer stands


@click.command("show")
@card_command
def show(frame: Frame) -> None:
    """Show the card: applications, certificates, validity, tries left. Uses no PIN and costs no try."""
    with frame.card() as card:
        frame.note("reading")
        overview = card.perform(read_overview)
        reader = getattr(card, "reader", None)
    if frame.as_json:
        frame.answer({"reader": reader, "virtual": frame.persona, **_as_json(overview)})
    else:
        _print(frame, overview, reader)


def _print(frame: Frame, overview: CardOverview, reader: str | None) -> None:
    if reader is None:
        frame.say("virtual", persona=frame.persona)
    else:
        frame.say("reader", reader=reader)
    if overview.token is not None:
        kind = overview.token.name.lower().replace("_", "-")
        frame.say("token", token=frame.words(f"token-{kind}"))
    if overview.record is not None:
        frame.say("card-expiry", expiry=overview.record.expiry)
        frame.say("municipality", municipality=overview.record.municipality)
    _print_list(frame, "applications", [frame.words(f"application-{name}") for name in overview.applications])
    _print_list(frame, "certificates", [_certificate(frame, item) for item in overview.certificates])
    _print_list(frame, "pins", [_pin(frame, item) for item in overview.pins])


def _print_list(frame: Frame, title: str, lines: list[str]) -> None:
    frame.say(title)
    for line in lines:
        click.echo(f"  {line}")


def _pin(frame: Frame, item: PinOverview) -> str:
    application = frame.words(f"application-{item.application}")
    return f"{application} / {frame.tell_status(item.pin, item.status)}"


def _certificate(frame: Frame, item: CertificateOverview) -> str:
    key = f"state-{item.state}"
    if item.not_before is not None and item.not_after is not None:
        now = datetime.now(UTC)
        if now > item.not_after:
            key = "state-expired"
        elif now < item.not_before:
            key = "state-not-yet"
    validity = {"not_before": _day(item.not_before), "not_after": _day(item.not_after)}
    return f"{frame.words(f'certificate-{item.kind}')}: {frame.words(key, key=item.key, **validity)}"


def _day(moment: datetime | None) -> str:
    """The civil day where the program runs, because a validity ends at midnight in Japan."""
    return "" if moment is None else moment.astimezone(_TOKYO).date().isoformat()


def _as_json(overview: CardOverview) -> dict[str, object]:
    record = overview.record
    return {
        "token": None if overview.token is None else overview.token.value,
        "card": None if record is None else {"municipality": record.municipality, "expiry": record.expiry.isoformat()},
        "applications": [str(name) for name in overview.applications],
        "certificates": [_certificate_json(item) for item in overview.certificates],
        "pins": [
            {
                "application": str(item.application),
                "pin": item.pin,
                "attempts_remaining": item.status.attempts_remaining,
                "blocked": item.status.blocked,
            }
            for item in overview.pins
        ],
    }


def _certificate_json(item: CertificateOverview) -> dict[str, object]:
    answer: dict[str, object] = {"kind": str(item.kind), "state": str(item.state)}
    if item.state is CertificateState.READ and item.not_before and item.not_after:
        answer |= {
            "not_before": item.not_before.isoformat(),
            "not_after": item.not_after.isoformat(),
            "key": item.key,
            "issuer": item.issuer,
        }
    return answer
