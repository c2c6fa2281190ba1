"""One person through ten years: every account lives exactly as long as it should."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from mykey_cardap.kinds import CertificateKind
from mykey_core.trust import fast_path
from mykey_core.trust.store import TrustStore
from mykey_core.trust.types import ValidatedCertificate
from mykey_testkit.clock import ManualClock
from mykey_testkit.identity import RenewalOperator

AUTHENTICATION, SIGNATURE = CertificateKind.AUTHENTICATION, CertificateKind.SIGNATURE
PATRON = "10000017"
WELCOME = ("library.welcome", "points.balance")


def year(clock: ManualClock, year: int, month: int, day: int) -> None:
    clock.now = datetime(year, month, day, 1, 0, tzinfo=UTC)


def known_to_issuer(card: Any, now: datetime) -> ValidatedCertificate:
    from cryptography.hazmat.primitives.serialization import Encoding

    from mykey_cardap.emulator.jpki import POLICIES, EmulatedJpki
    from mykey_testkit.clock import START

    store = TrustStore([EmulatedJpki(START.date()).ca_certificate(AUTHENTICATION, card.generation)])
    der = card.certificate(AUTHENTICATION).public_bytes(Encoding.DER)
    policies = frozenset({POLICIES[AUTHENTICATION]})
    return fast_path.validate(der, store=store, kind=AUTHENTICATION, policy_oids=policies, now=now)


def test_ten_years(  # noqa: PLR0915 - one story
    towns: Any, story_card: Any, clock: ManualClock, issuer: Any, operator: RenewalOperator
) -> None:
    """Enrolment, move, renewal, loss, reissue, marriage, another town, abroad, death."""
    home, away = towns
    first = story_card("first", "adult", date(2026, 1, 10))

    # 2026: enrolled at two desks; attributes by consent only.
    assert home.codes(first) == ("not_registered", "not_registered")
    home.tap(first, "library-desk", "link", patron_number=PATRON)
    home.tap(first, "points-desk", "join")
    assert home.accounts(first) == (PATRON, 100)
    person = home.show(first)["person"]
    assert home.tap(first, "points-desk", "bonus", sign=True)["code"] == "consent_missing"
    home.command("consent", "grant", person=person, plugin="points", purpose="bonus")
    told = home.tap(first, "points-desk", "bonus", sign=True)["result"]["view"][0]["rows"]
    assert [row["value"] for row in told] == [110, "40-64", "見本　花子"]
    assert home.tap(first, "points-desk", "bonus")["code"] == "attributes_not_presented"

    # 2027: a move within the town revokes the signature certificate; the authentication certificate stays.
    year(clock, 2027, 6, 1)
    issuer.revoke(first, SIGNATURE, "affiliationChanged", clock.now)
    home.happens(person, "address_changed", effective_on="2027-05-30")
    assert home.codes(first) == WELCOME
    assert home.tap(first, "points-desk", "bonus", sign=True)["code"] == "certificate_revoked"
    first = replace(first, signature="2", address="東京都清瀬市見本町９－９")
    assert home.tap(first, "points-desk", "bonus", sign=True)["result"]["view"][0]["rows"][0]["value"] == 120

    # 2030: the fifth birthday. The operator says what replaced what; nobody goes to a counter.
    year(clock, 2030, 2, 18)
    assert home.codes(first) == ("certificate_expired", "certificate_expired")
    second = story_card("second", "renewed", date(2030, 1, 20), generation=4)
    operator.tell(fault="http-500")
    assert home.codes(second) == ("renewal_unavailable", "renewal_unavailable")
    in_2029 = datetime(2029, 1, 1, tzinfo=UTC)
    operator.tell([known_to_issuer(first, in_2029), known_to_issuer(second, clock.now)])
    issuer.revoke(first, AUTHENTICATION, "superseded", clock.now)
    assert home.accounts(second) == (PATRON, 120)
    assert home.show(second)["person"] == person
    assert [own["status"] for own in home.show(second)["credentials"]] == ["replaced", "active"]
    assert away.codes(second) == ("not_registered", "not_registered")

    # 2031: lost. The town stops it at once, the issuer by its next list; the finder has nothing.
    year(clock, 2031, 5, 2)
    home.happens(person, "card_lost")
    assert home.codes(second) == ("credential_held", "credential_held")
    issuer.revoke(second, AUTHENTICATION, "certificateHold", clock.now)
    assert home.codes(second) == ("certificate_held", "certificate_held")
    third = story_card("third", "phone", date(2031, 5, 20), generation=4)
    year(clock, 2031, 6, 1)
    operator.tell()
    assert home.codes(third) == ("not_registered", "not_registered")
    held = home.show(second)["credentials"][-1]["id"]
    linked = home.command(
        "link", evidence="STAFF_COUNTER", old_credential=held, certificate=home.der(third), actor="staff:minato"
    )
    assert linked["person"] == person
    assert home.accounts(third) == (PATRON, 120)

    # 2032: marriage. The new name is told where the consent still holds; the accounts do not care.
    year(clock, 2032, 7, 7)
    issuer.revoke(third, SIGNATURE, "affiliationChanged", clock.now)
    home.happens(person, "name_changed")
    third = replace(third, signature="2", person="例示　花子")
    told = home.tap(third, "points-desk", "bonus", sign=True)["result"]["view"][0]["rows"]
    assert [row["value"] for row in told] == [130, "40-64", "例示　花子"]

    # 2033: to another town. What is for residents ends here and begins there; what is for all goes on.
    year(clock, 2033, 3, 31)
    home.happens(person, "moved_out", effective_on="2033-03-25")
    assert home.codes(third) == ("person_moved_out", "points.balance")
    away.tap(third, "library-desk", "link", patron_number=away.patrons[0])
    away.tap(third, "points-desk", "join")
    assert away.accounts(third) == (away.patrons[0], 100)
    there = away.show(third)["person"]
    assert there != person

    # 2034: abroad, with the continued use of the card; then back home for a year.
    year(clock, 2034, 4, 1)
    away.happens(there, "went_abroad")
    assert away.codes(third) == ("person_abroad", "points.balance")
    year(clock, 2035, 4, 1)
    home.happens(person, "moved_in")
    assert home.accounts(third) == (PATRON, 130)
    assert away.codes(third) == ("person_abroad", "points.balance")

    # 2036: death. Told by the family first, by the issuer's list later; a mistake would be reversible.
    year(clock, 2036, 10, 1)
    mistake = home.happens(person, "died")["id"]
    assert home.codes(third) == ("person_deceased", "person_deceased")
    home.command("reverse", event=mistake, actor="staff:minato")
    assert home.accounts(third) == (PATRON, 130)
    year(clock, 2036, 11, 1)
    home.happens(person, "died")
    away.happens(there, "died")
    for town in (home, away):
        assert town.codes(third) == ("person_deceased", "person_deceased")
    issuer.revoke(third, AUTHENTICATION, "cessationOfOperation", clock.now)
    assert home.codes(third) == ("certificate_revoked", "certificate_revoked")

    kinds = [event["kind"] for event in home.show(third)["history"]]
    assert kinds == [
        "enrolled", "address_changed", "renewed", "card_lost", "renewed", "name_changed", "moved_out", "moved_in",
        "died", "reversed", "died",
    ]  # fmt: skip
