"""Verified attributes from both sources of a real emulated card, and ages in Japan."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mykey_cardap.emulator import InProcessTransport
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.contents.keys import IssuerKeyName, issuer_key
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.text_ap import Ef, TextSession
from mykey_cardap.tlv import Encoding
from mykey_core.consent.attributes import VerifiedAttributes, age_band, age_on, from_certificate, from_text_application
from mykey_core.consent.errors import ConsentDenied
from mykey_testkit.clock import START
from mykey_testkit.identity import certificate

ROOT = issuer_key(IssuerKeyName.TEXT_ROOT).public_key()


def text_files(persona: str) -> dict[Ef, bytes]:
    """Files 0002, 0003 and 0004 as a terminal reads them after the PIN (0003 needs the text PIN)."""
    session = TextSession(InProcessTransport(make_card(persona, today=START.date())))
    session.verify_pin("text", b"1234")
    wanted = (Ef.ATTRIBUTES, Ef.SIGNATURES, Ef.CV_CERTIFICATE)
    return {ef: session._read_file(ef, Encoding.BER) for ef in wanted}


def verified(files: dict[Ef, bytes], key: object = ROOT) -> VerifiedAttributes:
    return from_text_application(
        files[Ef.ATTRIBUTES],
        files[Ef.SIGNATURES],
        files[Ef.CV_CERTIFICATE],
        issuer_key=key,  # type: ignore[arg-type] - a public RSA key
        at=START,
    )


def test_card_and_certificate_say_the_same() -> None:
    """Two codings, one person: text application and signature certificate agree."""
    card = verified(text_files("adult"))
    own = from_certificate(certificate("adult", CertificateKind.SIGNATURE), START)
    assert (card.name, card.address, card.birth_date, card.sex) == (own.name, own.address, own.birth_date, own.sex)
    assert (card.source, own.source) == ("text-application", "signature-certificate")


def test_attributes_of_another_card_do_not_fit() -> None:
    """Every mixture of two cards' files is refused: the signature speaks of its own attributes."""
    one, other = text_files("adult"), text_files("former-name")
    with pytest.raises(ConsentDenied, match="attributes_not_presented"):
        verified({**one, Ef.ATTRIBUTES: other[Ef.ATTRIBUTES]})


def test_changed_attributes_are_refused() -> None:
    """One changed byte, a broken file, another issuer: nothing is believed."""
    files = text_files("adult")
    changed = files[Ef.ATTRIBUTES][:-1] + b"1"
    for wrong in ({**files, Ef.ATTRIBUTES: changed}, {**files, Ef.SIGNATURES: b""}):
        with pytest.raises(ConsentDenied):
            verified(wrong)
    with pytest.raises(ConsentDenied):
        verified(files, issuer_key(IssuerKeyName.FACE_ROOT).public_key())


def test_attributes_do_not_show() -> None:
    """Neither name nor birthday is in the object's text."""
    shown = repr(from_certificate(certificate("adult", CertificateKind.SIGNATURE), START))
    assert "花子" not in shown
    assert "1980" not in shown


@pytest.mark.parametrize(
    ("born", "at", "band"),
    [
        (date(2020, 11, 3), datetime(2026, 11, 2, 14, 59, tzinfo=UTC), "0-5"),
        (date(2020, 11, 3), datetime(2026, 11, 2, 15, 0, tzinfo=UTC), "6-14"),  # midnight in Japan
        (date(2008, 1, 1), START, "18-39"),
        (date(1951, 11, 2), START, "75-"),
        (date(1961, 12, 31), START, "40-64"),
        (date(2011, 1, 1), START, "15-17"),
        (date(1960, 1, 1), START, "65-74"),
    ],
)
def test_age_bands_turn_at_midnight_in_japan(born: date, at: datetime, band: str) -> None:
    """The band is that of the civil date in Japan."""
    assert age_band(born, at) == band


def test_a_leap_day_has_its_birthday_on_the_first_of_march() -> None:
    """In common years the age changes on 1 March."""
    assert [age_on(date(2008, 2, 29), day) for day in (date(2026, 2, 28), date(2026, 3, 1))] == [17, 18]
