"""`context.people`: nothing without grant, consent and card; everything that is read is on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from mykey_cardap.kinds import CertificateKind
from mykey_core.audit.records import records_since
from mykey_core.consent.attributes import Attribute, VerifiedAttributes, from_certificate
from mykey_core.consent.delegation import DelegationKind, Delegations
from mykey_core.consent.errors import ConsentDenied, DelegationRefused
from mykey_core.consent.ledger import ConsentLedger
from mykey_core.consent.people import TapPeople
from mykey_core.consent.tables import consent_entry, delegation_entry
from mykey_core.errors import MykeyError
from mykey_core.identity.people import KnownPerson
from mykey_core.identity.states import EventKind
from mykey_core.plugins.manifest import Manifest, Purpose, parse_manifest
from mykey_core.storage.session import Session
from mykey_testkit.identity import MUNICIPALITY, STAFF, Register, certificate, numbered

T = TypeVar("T")
MANIFEST = """
name = "points"
title = { ja = "ポイント", en = "Points" }
description = { ja = "見本", en = "Sample" }
version = "1"
api = "0.1"
package = "sample_points"
legal_basis = { ja = "同意" }
retention = { ja = "なし" }
[requests]
capabilities = ["tap"]
attributes = ["name", "birth_date", "age_band", "municipality", "sex", "address"]
[[purposes]]
name = "senior"
text = { ja = "敬老の日のポイントのために年齢層を使います。", en = "Age band, for points." }
attributes = ["age_band", "municipality"]
consent_days = 30
[[purposes]]
name = "delivery"
text = { ja = "景品を送るために氏名と住所を使います。", en = "Name and address are used to send prizes." }
attributes = ["name", "address", "birth_date", "sex"]
"""
GRANTS = frozenset({"tap", *(f"attribute:{name}" for name in Attribute)})
LEDGER = ConsentLedger(MUNICIPALITY)
DELEGATIONS = Delegations(MUNICIPALITY)


def purpose_of(manifest: Manifest, name: str) -> Purpose:
    return next(purpose for purpose in manifest.purposes if purpose.name == name)


class Tap:
    """Taps of one plugin in one register."""

    def __init__(self, register: Register, text: str = MANIFEST, grants: frozenset[str] = GRANTS) -> None:
        self.register = register
        self.manifest = parse_manifest(text, "points")
        self.grants = grants

    def people(self, session: Session, known: KnownPerson, shown: VerifiedAttributes | None) -> TapPeople:
        """What the plugin is given at a tap of `known`."""
        found = self.register.people.subject_for(session, known, "points", self.register.clock())
        now = self.register.clock()
        return TapPeople(self.manifest, self.grants, self.register.people, found, now, session, shown)

    def run(self, number: int, act: Callable[[TapPeople], T], shown: VerifiedAttributes | None = None) -> T:
        """Let the plugin act at a tap of the card of this number."""

        def work(session: Session) -> T:
            known = self.register.people.find(session, numbered(number), "points")
            assert known is not None
            return act(self.people(session, known, shown))

        return self.register.do(work)

    def consent(self, act: str, number: int, purpose: str) -> None:
        """The person of the card grants or withdraws."""
        person = self.register.find(numbered(number))
        assert person is not None
        wanted, now = purpose_of(self.manifest, purpose), self.register.clock()
        enter = getattr(LEDGER, act)
        self.register.do(lambda session: enter(session, person.person_id, "points", wanted, at=now))


@pytest.fixture
def tap(register: Register) -> Tap:
    register.enrol(1)
    return Tap(register)


@pytest.fixture
def shown(register: Register) -> VerifiedAttributes:
    """What the signature certificate of the persona `adult` says."""
    return from_certificate(certificate("adult", CertificateKind.SIGNATURE), register.clock())


def senior(people: TapPeople) -> Any:
    return people.attributes("senior")


def test_by_grant_and_consent_the_plugin_is_told(tap: Tap, shown: VerifiedAttributes) -> None:
    """With both, exactly the attributes of the purpose are handed over."""
    tap.consent("grant", 1, "senior")
    told = tap.run(1, senior, shown)
    assert told == {Attribute.AGE_BAND: "40-64", Attribute.MUNICIPALITY: MUNICIPALITY}


def test_all_four_attributes_keep_their_characters(tap: Tap, shown: VerifiedAttributes) -> None:
    """Nothing is normalised: the full-width space and digits of the certificate arrive as they are."""
    tap.consent("grant", 1, "delivery")
    told = tap.run(1, lambda people: people.attributes("delivery"), shown)
    assert told == {
        Attribute.NAME: "見本　花子",
        Attribute.ADDRESS: "東京都清瀬市見本町１－２－３",
        Attribute.BIRTH_DATE: date(1980, 2, 17),
        Attribute.SEX: "female",
    }


def test_without_consent_nothing_is_told(tap: Tap, shown: VerifiedAttributes) -> None:
    """The town's grant is not the citizen's consent."""
    with pytest.raises(ConsentDenied, match="consent_missing"):
        tap.run(1, senior, shown)


def test_consent_for_one_purpose_is_none_for_another(tap: Tap, shown: VerifiedAttributes) -> None:
    """Each purpose is agreed to by itself."""
    tap.consent("grant", 1, "senior")
    with pytest.raises(ConsentDenied, match="consent_missing"):
        tap.run(1, lambda people: people.attributes("delivery"), shown)


def test_withdrawal_takes_effect_on_the_next_call(tap: Tap, shown: VerifiedAttributes) -> None:
    """Within the same tap: told before the withdrawal, refused after it."""
    tap.consent("grant", 1, "senior")
    known = tap.register.find(numbered(1), "points")
    assert known is not None

    def work(session: Session) -> None:
        people = tap.people(session, known, shown)
        people.attributes("senior")
        purpose = purpose_of(tap.manifest, "senior")
        LEDGER.withdraw(session, known.person_id, "points", purpose, at=tap.register.clock())
        with pytest.raises(ConsentDenied, match="consent_withdrawn"):
            people.attributes("senior")

    tap.register.do(work)
    tap.consent("grant", 1, "senior")
    assert tap.run(1, senior, shown)


def test_consent_ends_on_its_day(tap: Tap, shown: VerifiedAttributes) -> None:
    """One instant before the end it counts, at the end no more."""
    tap.consent("grant", 1, "senior")
    tap.register.clock.move(timedelta(days=30) - timedelta(microseconds=1))
    assert tap.run(1, senior, shown)
    tap.register.clock.move(timedelta(microseconds=1))
    with pytest.raises(ConsentDenied, match="consent_expired"):
        tap.run(1, senior, shown)


def test_another_text_needs_another_consent(tap: Tap, shown: VerifiedAttributes) -> None:
    """A plugin that rewrites its purpose, or adds an attribute to it, asks again."""
    tap.consent("grant", 1, "senior")
    for old, new in (
        ("年齢層を使います", "年齢層を広告に使います"),
        ('"age_band", "municipality"]\n', '"age_band"]\n'),
    ):
        changed = Tap(tap.register, MANIFEST.replace(old, new))
        assert changed.manifest != tap.manifest
        with pytest.raises(ConsentDenied, match="consent_text_changed"):
            changed.run(1, senior, shown)


def test_without_the_towns_grant_consent_is_not_enough(tap: Tap, shown: VerifiedAttributes) -> None:
    """Consent alone opens nothing that the town has not granted."""
    tap.consent("grant", 1, "senior")
    narrow = Tap(tap.register, grants=GRANTS - {"attribute:age_band"})
    with pytest.raises(ConsentDenied, match="attribute_not_granted: age_band"):
        narrow.run(1, senior, shown)


def test_a_purpose_must_be_declared(tap: Tap, shown: VerifiedAttributes) -> None:
    """A plugin cannot make up a purpose at run time."""
    with pytest.raises(ConsentDenied, match="purpose_unknown"):
        tap.run(1, lambda people: people.attributes("curiosity"), shown)


def test_a_card_that_showed_nothing_tells_nothing(tap: Tap) -> None:
    """The hub keeps no attributes: without the card there are none."""
    tap.consent("grant", 1, "senior")
    with pytest.raises(ConsentDenied, match="attributes_not_presented"):
        tap.run(1, senior)


def test_the_signature_certificate_of_somebody_else_is_refused(tap: Tap, shown: VerifiedAttributes) -> None:
    """Two cards in one session: the second card's attributes are not the first one's person."""
    proofs = (
        tap.register.proof(numbered(50)),
        tap.register.proof(certificate("adult", CertificateKind.SIGNATURE)),
    )
    tap.register.do(lambda session: tap.register.enrolment.by_signature(session, *proofs))
    tap.consent("grant", 1, "senior")
    with pytest.raises(ConsentDenied, match="attributes_not_presented"):
        tap.run(1, senior, shown)


def test_the_municipality_is_that_of_residents_only(tap: Tap, shown: VerifiedAttributes) -> None:
    """Whoever has moved out lives somewhere that the hub does not know."""
    known = tap.register.find(numbered(1))
    assert known is not None
    tap.consent("grant", 1, "senior")
    tap.register.record(known.person_id, EventKind.MOVED_OUT)
    assert tap.run(1, senior, shown)[Attribute.MUNICIPALITY] is None


def test_what_is_read_is_on_record_without_values(tap: Tap, shown: VerifiedAttributes) -> None:
    """The audit says which attributes were read for what, and by which consent; no value is in it."""
    tap.consent("grant", 1, "delivery")
    tap.run(1, lambda people: people.attributes("delivery"), shown)
    with tap.register.database.reading() as session:
        records = records_since(session, MUNICIPALITY, tap.register.clock.now - timedelta(days=1))
    read = [record.facts for record in records if record.event == "attributes.read"]
    assert read[0]["attributes"] == ["address", "birth_date", "name", "sex"]
    assert "花子" not in str([record.as_json() for record in records])
    assert "1980" not in str(read)


def test_the_ledgers_cannot_be_changed(tap: Tap) -> None:
    """The database refuses to change or delete a consent or a delegation; the history shows all of it."""
    tap.consent("grant", 1, "senior")
    tap.consent("withdraw", 1, "senior")
    person = tap.register.find(numbered(1))
    assert person is not None
    history = tap.register.do(lambda session: LEDGER.history(session, person.person_id))
    assert [entry.act for entry in history] == ["granted", "withdrawn"]
    tap.register.enrol(2)
    _delegate(tap.register, 1, 2)
    for table in (consent_entry, delegation_entry):
        own = table.c.municipality == MUNICIPALITY
        for statement in (update(table).where(own).values(actor="staff:nobody"), delete(table).where(own)):
            with pytest.raises(DBAPIError, match="append-only"):
                tap.register.do(lambda session, act=statement: session.execute(act))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ('"sex", "address"]', '"sex"]', "lacks: address"),
        ('api = "0.1"', 'api = "0.1"\nsubject_columns = ["person.id"]', "not the plugin's own"),
        ("consent_days = 30", "consent_days = 40000", "consent_days"),
    ],
)
def test_manifests_that_make_no_sense(old: str, new: str, wrong: str) -> None:
    """A purpose asks for no more than the manifest requests; columns are the plugin's own; consent has an end."""
    with pytest.raises(MykeyError, match=wrong):
        parse_manifest(MANIFEST.replace(old, new), "points")


# -- delegation ------------------------------------------------------------------------------------------


def _delegate(register: Register, principal: int, delegate: int, days: int = 365, **changes: Any) -> Any:
    ids = []
    for number in (principal, delegate):
        known = register.find(numbered(number))
        assert known is not None
        ids.append(known.person_id)
    values = {
        "kind": DelegationKind.PARENT,
        "plugin": "points",
        "scope": ["desk"],
        "at": register.clock(),
        "ends_at": register.clock() + timedelta(days=days),
        "actor": STAFF,
        **changes,
    }
    return register.do(lambda session: DELEGATIONS.grant(session, *ids, **values))


def test_a_parent_acts_for_a_child(tap: Tap) -> None:
    """Within the services and until the end; the plugin learns the child's own pairwise id."""
    tap.register.enrol(2)
    child = tap.register.subject(2, "points")
    _delegate(tap.register, 2, 1)
    assert [found.subject for found in tap.run(1, TapPeople.delegations)] == [child]
    assert tap.run(1, lambda people: people.acting_for(child, "desk")).kind == "parent"
    with pytest.raises(ConsentDenied, match="delegation_missing"):
        tap.run(1, lambda people: people.acting_for(child, "other-desk"))
    assert tap.run(2, TapPeople.delegations) == ()
    tap.register.clock.move(timedelta(days=365))
    assert tap.run(1, TapPeople.delegations) == ()


@pytest.mark.parametrize("side", [1, 2])
def test_both_sides_see_and_end_a_delegation(tap: Tap, side: int) -> None:
    """Each side sees the same entry, and each can end it at once; ending twice is ending once."""
    tap.register.enrol(2)
    delegation = _delegate(tap.register, 2, 1)
    known = tap.register.find(numbered(side))
    assert known is not None
    seen = tap.register.do(lambda session: DELEGATIONS.of_person(session, known.person_id))
    assert [entry.delegation_id for entry in seen] == [delegation.delegation_id]
    for _ in range(2):
        tap.register.do(
            lambda session: DELEGATIONS.end(
                session, delegation.delegation_id, by=known.person_id, at=tap.register.clock(), actor="person"
            )
        )
    assert tap.run(1, TapPeople.delegations) == ()
    count = select(delegation_entry.c.id).where(delegation_entry.c.municipality == MUNICIPALITY)
    assert len(tap.register.do(lambda session: session.execute(count).all())) == 2


def test_a_third_person_can_neither_use_nor_end_it(tap: Tap) -> None:
    """A delegation is between two people."""
    tap.register.enrol(2)
    stranger = tap.register.enrol(3).person_id
    delegation = _delegate(tap.register, 2, 1)
    for by, actor in ((stranger, "person"), (None, "person")):
        with pytest.raises(DelegationRefused, match="delegation_other_party"):
            tap.register.do(
                lambda session, who=by, name=actor: DELEGATIONS.end(  # type: ignore[misc]
                    session, delegation.delegation_id, by=who, at=tap.register.clock(), actor=name
                )
            )
    assert tap.run(3, TapPeople.delegations) == ()


def test_nobody_acts_for_the_dead(tap: Tap) -> None:
    """With a death a delegation ends by itself, and comes back when the entry was a mistake."""
    dead = tap.register.enrol(2).person_id
    _delegate(tap.register, 2, 1)
    event = tap.register.record(dead, EventKind.DIED)
    assert tap.run(1, TapPeople.delegations) == ()
    tap.register.reverse(event)
    assert len(tap.run(1, TapPeople.delegations)) == 1


@pytest.mark.parametrize(
    ("principal", "days", "changes", "code"),
    [
        (1, 365, {}, "delegation_of_oneself"),
        (2, 0, {}, "delegation_end"),
        (2, 365, {"scope": []}, "delegation_scope"),
    ],
)
def test_delegations_that_make_no_sense(
    tap: Tap, principal: int, days: int, changes: dict[str, Any], code: str
) -> None:
    """A delegation has two people, an end, and services."""
    tap.register.enrol(2)
    with pytest.raises(DelegationRefused, match=code):
        _delegate(tap.register, principal, 1, days, **changes)
