"""Renewal linking: four kinds of evidence, the operator's notices over HTTP, and what must never be linked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mykey_cardap.kinds import CertificateKind
from mykey_core.identity.errors import IdentityRefused, RenewalUnavailable
from mykey_core.identity.notices import CertificateId, Direction, OperatorNotices, OperatorNoticeSettings
from mykey_core.identity.renewal import MAX_CHAIN, Linked, Renewals
from mykey_core.identity.states import EventKind
from mykey_core.trust.revocation.fetch import Fetcher, Limits
from mykey_core.trust.types import ValidatedCertificate
from mykey_testkit.identity import STAFF, Register, RenewalOperator, certificate, numbered
from mykey_testkit.renewal_service import ACCESS_TOKEN

SIGNATURE = CertificateKind.SIGNATURE


def by_staff(register: Register, old: int, new: int, actor: str = STAFF) -> Linked:
    stored = register.credential_of(old)
    return register.do(
        lambda session: register.renewals.by_staff(session, stored, numbered(new), at=register.clock(), actor=actor)
    )


def status_of(register: Register, number: int) -> str | None:
    known = register.find(numbered(number))
    return None if known is None else known.credential_status


def asking(register: Register, operator: RenewalOperator, token: str = ACCESS_TOKEN) -> Renewals:
    limits = Limits(deadline=timedelta(seconds=1), step=timedelta(seconds=1))
    return Renewals(register.people, OperatorNotices(OperatorNoticeSettings(operator.address, token), Fetcher(limits)))


# -- staff at the counter ----------------------------------------------------------------------------------


def test_staff_link_keeps_every_pairwise_id(register: Register) -> None:
    """The new card has the accounts of the old one, which is told that it was replaced."""
    register.enrol(1)
    before = [register.subject(1, plugin) for plugin in ("library", "points")]
    linked = by_staff(register, 1, 2)
    assert [register.subject(2, plugin) for plugin in ("library", "points")] == before
    assert status_of(register, 1) == "replaced"
    assert linked.event is not None


def test_linking_twice_is_linking_once(register: Register) -> None:
    """The second time there is no event and nothing changes."""
    register.enrol(1)
    first, second = by_staff(register, 1, 2), by_staff(register, 1, 2)
    assert (second.credential, second.event) == (first.credential, None)


def test_a_link_follows_the_chain_to_its_end(register: Register) -> None:
    """Naming the oldest card of three links behind the newest."""
    register.enrol(1)
    second = by_staff(register, 1, 2)
    third = by_staff(register, 1, 3)
    stored = register.do(lambda session: register.people.credentials.get(session, second.credential))
    assert stored is not None
    assert (stored.status, stored.replaced_by) == ("replaced", third.credential)


def test_a_reversed_link_is_as_if_it_had_not_been(register: Register) -> None:
    """The old card works again, the new one is 'not registered', the accounts are where they were."""
    register.enrol(1)
    subject = register.subject(1, "library")
    linked = by_staff(register, 1, 2)
    assert linked.event is not None
    register.reverse(linked.event)
    assert (status_of(register, 1), status_of(register, 2)) == ("active", None)
    assert register.subject(1, "library") == subject


def test_somebody_elses_card_is_never_taken_over(register: Register) -> None:
    """A certificate that belongs to another person stays theirs, whatever staff say."""
    register.enrol(1)
    other = register.enrol(2)
    with pytest.raises(IdentityRefused, match="credential_of_another_person"):
        by_staff(register, 1, 2)
    found = register.find(numbered(2))
    assert found is not None
    assert found.person_id == other.person_id


@pytest.mark.parametrize("actor", ["", "person", "staff:"])
def test_only_staff_link_at_the_counter(register: Register, actor: str) -> None:
    """Nobody else's word is evidence."""
    register.enrol(1)
    with pytest.raises(IdentityRefused, match="staff_needed"):
        by_staff(register, 1, 2, actor)


def test_a_certificate_replaces_one_of_its_own_kind(register: Register) -> None:
    """A signature certificate is no successor of an authentication certificate."""
    register.enrol(1)
    stored = register.credential_of(1)
    with pytest.raises(IdentityRefused, match="credential_kind"):
        register.do(
            lambda session: register.renewals.by_staff(
                session, stored, numbered(2, SIGNATURE), at=register.clock(), actor=STAFF
            )
        )


def test_nothing_is_linked_to_the_dead(register: Register) -> None:
    """After a death no card is linked any more."""
    register.record(register.enrol(1).person_id, EventKind.DIED)
    with pytest.raises(IdentityRefused, match="transition_not_possible"):
        by_staff(register, 1, 2)


# -- both certificates in one session ------------------------------------------------------------------------


def test_both_cards_in_one_session(register: Register) -> None:
    """Old and new key have both signed: that is evidence without staff."""
    register.enrol(1)
    old, new = register.proof(numbered(1)), register.proof(numbered(2))
    register.do(lambda session: register.renewals.by_session(session, old, new))
    assert (status_of(register, 1), status_of(register, 2)) == ("replaced", "active")


def test_two_sessions_are_no_session(register: Register) -> None:
    """Proofs over two nonces, or hours apart, do not belong together."""
    register.enrol(1)
    other = register.proof(numbered(2), "nonce-2")
    old = register.proof(numbered(1))
    register.clock.move(timedelta(hours=1))
    late = register.proof(numbered(2))
    for new in (other, late):
        with pytest.raises(IdentityRefused, match="session_differs"):
            register.do(lambda session, one=new: register.renewals.by_session(session, old, one))  # type: ignore[misc]


def test_a_lost_card_proves_nothing(register: Register) -> None:
    """Whoever has found a card that was reported lost cannot link their own to it."""
    register.record(register.enrol(1).person_id, EventKind.CARD_LOST)
    with pytest.raises(IdentityRefused, match="credential_in_use"):
        register.do(
            lambda session: register.renewals.by_session(
                session, register.proof(numbered(1)), register.proof(numbered(2))
            )
        )


# -- signed attributes and approval --------------------------------------------------------------------------


def test_signed_attributes_and_approval(register: Register) -> None:
    """The new card says the same four things as the old one, and staff approve."""
    old_card = register.proof(certificate("superseded")), register.proof(certificate("superseded", SIGNATURE))
    person = register.do(lambda session: register.enrolment.by_signature(session, *old_card))
    linked = _by_attributes(register, "superseded", "renewed")
    assert linked.person == person
    found = register.find(certificate("renewed"))
    assert found is not None
    assert found.person_id == person


def test_other_attributes_do_not_match(register: Register) -> None:
    """A card that says something else is not linked."""
    old_card = register.proof(certificate("superseded")), register.proof(certificate("superseded", SIGNATURE))
    register.do(lambda session: register.enrolment.by_signature(session, *old_card))
    with pytest.raises(IdentityRefused, match="attributes_differ"):
        _by_attributes(register, "superseded", "adult")


def test_signed_attributes_need_approval(register: Register) -> None:
    """Equal attributes alone are not enough: two people can share name and birthday."""
    old_card = register.proof(certificate("superseded")), register.proof(certificate("superseded", SIGNATURE))
    register.do(lambda session: register.enrolment.by_signature(session, *old_card))
    with pytest.raises(IdentityRefused, match="approval_needed"):
        _by_attributes(register, "superseded", "renewed", approved_by="person")


def _by_attributes(register: Register, old: str, new: str, approved_by: str = "staff:chief") -> Linked:
    stored = register.do(lambda session: register.people.credentials.find(session, certificate(old)))
    assert stored is not None
    proofs = register.proof(certificate(new), "nonce-9"), register.proof(certificate(new, SIGNATURE), "nonce-9")
    return register.do(
        lambda session: register.renewals.by_attributes(
            session, stored.id, *proofs, actor="person", approved_by=approved_by
        )
    )


# -- the issuer's notice, over HTTP --------------------------------------------------------------------------


def test_the_issuers_notice_links_silently(register: Register, renewal_operator: RenewalOperator) -> None:
    """An unknown card that the issuer names as the successor of a known one has its accounts."""
    register.enrol(1)
    subject = register.subject(1, "library")
    renewal_operator.tell([numbered(1), numbered(2), numbered(3)])
    asking(register, renewal_operator).before_tap(register.database, numbered(3), register.clock())
    assert register.subject(3, "library") == subject
    assert (status_of(register, 1), status_of(register, 2)) == ("replaced", None)


def test_a_known_card_asks_nobody(register: Register, renewal_operator: RenewalOperator) -> None:
    """The operator hears of renewals only, not of every tap."""
    register.enrol(1)
    before = renewal_operator.count()
    asking(register, renewal_operator).before_tap(register.database, numbered(1), register.clock())
    assert renewal_operator.count() == before


def test_a_new_card_of_a_stranger_is_not_registered(register: Register, renewal_operator: RenewalOperator) -> None:
    """No predecessor, or predecessors whom we do not know: nobody is linked."""
    register.enrol(1)
    renewal_operator.tell([numbered(7), numbered(8)])
    renewals = asking(register, renewal_operator)
    assert renewals.by_notice(register.database, numbered(8), register.clock()) is None
    assert renewals.by_notice(register.database, numbered(9), register.clock()) is None


def test_a_cycle_is_refused(register: Register, renewal_operator: RenewalOperator) -> None:
    """A chain that bites its tail is no evidence."""
    register.enrol(1)
    renewal_operator.tell([numbered(5), numbered(6), numbered(5)])
    with pytest.raises(IdentityRefused, match="renewal_cycle"):
        asking(register, renewal_operator).by_notice(register.database, numbered(6), register.clock())


def test_an_endless_chain_is_refused(register: Register, renewal_operator: RenewalOperator) -> None:
    """More renewals than a life holds are refused, not followed."""
    renewal_operator.tell([numbered(number) for number in range(100, 102 + MAX_CHAIN)])
    last = numbered(101 + MAX_CHAIN)
    with pytest.raises(IdentityRefused, match="renewal_chain_too_long"):
        asking(register, renewal_operator).by_notice(register.database, last, register.clock())


@pytest.mark.parametrize("shown", [2, 4])
def test_only_the_end_of_the_chain_is_linked(register: Register, renewal_operator: RenewalOperator, shown: int) -> None:
    """A card that has been renewed again, or that only claims a predecessor, is not the current one."""
    register.enrol(1)
    renewal_operator.tell([numbered(1), numbered(2), numbered(3)], [numbered(1), numbered(4)])
    with pytest.raises(IdentityRefused, match="renewal_not_current"):
        asking(register, renewal_operator).by_notice(register.database, numbered(shown), register.clock())


@pytest.mark.parametrize("fault", ["http-500", "slow", "other-question", "malformed"])
def test_no_answer_closes(register: Register, renewal_operator: RenewalOperator, fault: str) -> None:
    """Whoever cannot ask refuses for the moment, so that nobody is enrolled a second time."""
    register.enrol(1)
    renewal_operator.tell([numbered(1), numbered(2)], fault=fault)
    with pytest.raises(RenewalUnavailable):
        asking(register, renewal_operator).before_tap(register.database, numbered(2), register.clock())
    renewal_operator.tell()


def test_a_wrong_access_token_closes(register: Register, renewal_operator: RenewalOperator) -> None:
    """The operator does not answer strangers."""
    with pytest.raises(RenewalUnavailable, match="http_status"):
        asking(register, renewal_operator, "wrong").before_tap(register.database, numbered(2), register.clock())


def test_the_serial_does_not_show(register: Register) -> None:
    """What passes through to the operator has no serial in its text."""
    shown: ValidatedCertificate = numbered(0x0BADCAFE)
    assert "195939070" not in repr(CertificateId.of(shown)) + repr(Direction.SUCCESSOR)
    assert register.find(shown) is None
