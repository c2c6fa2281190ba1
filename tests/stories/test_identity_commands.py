"""`mykey identity` with JSON in and out, over a hub with real cards."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from mykey_cardap.kinds import CertificateKind
from mykey_testkit.clock import ManualClock
from mykey_testkit.hub import ORIGIN

AUTHENTICATION, SIGNATURE = CertificateKind.AUTHENTICATION, CertificateKind.SIGNATURE
NONCE = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
CHALLENGE = {"origin": ORIGIN, "nonce": NONCE}
STAFF = "staff:minato"


@pytest.fixture
def home(towns: Any) -> Any:
    town = towns[0]
    town.publish()
    return town


@pytest.fixture
def first(story_card: Any) -> Any:
    return story_card("first", "adult", date(2026, 1, 10))


@pytest.fixture
def second(story_card: Any) -> Any:
    return story_card("second", "renewed", date(2026, 5, 20))


def enrolled(home: Any, card: Any) -> str:
    tokens = {f"{kind}_token": card.token(kind, CHALLENGE) for kind in (AUTHENTICATION, SIGNATURE)}
    answer = home.command("enrol", nonce=NONCE, **tokens)
    person: str = answer["person"]
    return person


def test_enrolment_by_both_certificates(home: Any, first: Any) -> None:
    """Two real tokens over one nonce enrol; a token over another nonce does not."""
    person = enrolled(home, first)
    shown = home.command("show", person=person)
    assert [own["kind"] for own in shown["credentials"]] == ["authentication", "signature"]
    wrong = first.token(SIGNATURE, {**CHALLENGE, "nonce": NONCE[::-1]})
    refused = home.command(
        "enrol", nonce=NONCE, authentication_token=first.token(AUTHENTICATION, CHALLENGE), signature_token=wrong
    )
    assert refused["error"]["code"] == "signature_invalid"


def test_linking_by_session_and_by_attributes(home: Any, first: Any, second: Any, story_card: Any) -> None:
    """Both keys in one session link; so do equal signed attributes with approval, and not without."""
    person = enrolled(home, first)
    tokens = {"old_token": first.token(AUTHENTICATION, CHALLENGE), "new_token": second.token(AUTHENTICATION, CHALLENGE)}
    linked = home.command("link", evidence="SAME_CARD_SESSION", nonce=NONCE, **tokens)
    assert linked["person"] == person
    third = story_card("third", "phone", date(2026, 6, 1))
    given = {
        "evidence": "SIGNED_4INFO_MATCH",
        "old_credential": linked["credential"],
        "nonce": NONCE,
        "new_token": third.token(AUTHENTICATION, CHALLENGE),
        "signature_token": third.token(SIGNATURE, CHALLENGE),
        "actor": "person",
    }
    assert home.command("link", **given)["error"]["code"] == "approval_needed"
    assert home.command("link", **given, approved_by=STAFF)["person"] == person
    assert home.command("reverse", event=linked["event"], actor=STAFF)["error"]["code"] == "later_event"


def test_linking_by_notice(home: Any, first: Any, second: Any, operator: Any) -> None:
    """The operator's notice links; without one the answer says so."""
    person = enrolled(home, first)
    operator.tell()
    given = {"evidence": "JPKI_OLDNEW_SERIAL", "certificate": home.der(second)}
    assert home.command("link", **given)["error"]["code"] == "credential_unknown"
    chain = [{"issuerSha256": home.issuer_of(card), "serialNumber": home.serial_of(card)} for card in (first, second)]
    operator.tell_ids(chain)
    assert home.command("link", **given)["person"] == person


def test_a_mykey_id(home: Any, first: Any) -> None:
    """A MyKey ID finds the person whom staff gave it to."""
    person = enrolled(home, first)
    home.command("enrol", mykey_id="AB12CD34", person=person, actor=STAFF)
    assert home.command("show", mykey_id="AB12CD34")["person"] == person
    assert home.command("enrol", mykey_id="ZZ12CD34", actor="person")["error"]["code"] == "staff_needed"


def test_new_keys_and_accounts_that_stay(home: Any, first: Any) -> None:
    """Both keys are replaced beside running services; the accounts of both plugins are there afterwards."""
    home.tap(first, "library-desk", "link", patron_number=home.patrons[0])
    home.tap(first, "points-desk", "join")
    for purpose in ("credential", "pairwise"):
        assert home.command("keys", "add-epoch", purpose)["epoch"] == 2
        assert home.command("keys", "status")[purpose]["rows_of_older_epochs"] > 0
        assert home.accounts(first) == (home.patrons[0], 100)
        assert home.command("keys", "rekey", purpose)["rows"] > 0
        assert home.command("keys", "status")[purpose] == {"epochs": [1, 2], "rows_of_older_epochs": 0}
        assert home.accounts(first) == (home.patrons[0], 100)


def test_consent_and_delegation(home: Any, first: Any, clock: ManualClock) -> None:
    """Granted, listed, withdrawn; a delegation is ended by the side that it is about."""
    person, other = enrolled(home, first), home.command("enrol", mykey_id="AB12CD34", actor=STAFF)["person"]
    own = {"person": person, "plugin": "points", "purpose": "bonus"}
    assert home.command("consent", "grant", **own)["text"]["en"].startswith("Name and age band")
    assert home.command("consent", "withdraw", **own)["act"] == "withdrawn"
    assert [line["act"] for line in home.command("consent", "history", person=person)] == ["granted", "withdrawn"]
    assert home.command("consent", "grant", **{**own, "purpose": "other"})["error"]["code"] == "purpose_unknown"
    given = {"kind": "parent", "plugin": "points", "services": ["points-desk"], "actor": STAFF}
    ends_at = (clock.now + timedelta(days=30)).isoformat()
    made = home.command("delegation", "grant", principal=other, delegate=person, ends_at=ends_at, **given)
    assert home.command("delegation", "end", delegation=made["delegation"], by=other, actor="person")["act"] == "ended"
    assert len(home.command("delegation", "list", person=person)) == 2


@pytest.mark.parametrize(
    ("command", "given", "code", "detail"),
    [
        ("show", {}, "input_invalid", "JSON"),
        ("show", {"person": "x"}, "input_invalid", "person"),
        ("show", {"certificate": "%%%"}, "input_invalid", "certificate"),
        ("show", {"mykey_id": "AB12CD34"}, "not_registered", ""),
        (
            "record",
            {"person": "00000000-0000-0000-0000-000000000000", "kind": "flew", "actor": STAFF},
            "input_invalid",
            "kind",
        ),
        (
            "record",
            {"person": "00000000-0000-0000-0000-000000000000", "kind": "died", "actor": STAFF},
            "person_unknown",
            "",
        ),
        ("link", {"evidence": "STAFF_COUNTER"}, "input_invalid", "certificate"),
        ("enrol", {"nonce": NONCE}, "input_invalid", "nonce, authentication_token, signature_token"),
    ],
)
def test_bad_input_is_named(home: Any, command: str, given: dict[str, Any], code: str, detail: str) -> None:
    """A wrong input is refused as JSON with the members that are wrong, and never with what they held."""
    assert home.command(command, **given)["error"] == {"code": code, "detail": detail}
