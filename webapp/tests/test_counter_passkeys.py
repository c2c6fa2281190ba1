"""Passkeys of staff: who may make one, who is let in by one, and each attack that WebAuthn is made against."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from mykey_core.counter.errors import PasskeyRefused
from mykey_core.counter.passkeys import RelyingParty
from mykey_core.portal.staff import StaffRegister
from mykey_testkit.browsers import PageClient, staff_client
from mykey_testkit.hub import MUNICIPALITY, ORIGIN, HubHarness
from mykey_testkit.passkeys import PRESENT, SoftAuthenticator

RP = "hub.example.jp"
SIGN_IN = "/sign-in/passkey"


def make(browser: PageClient, own: SoftAuthenticator, title: str = "desk 2") -> Any:
    """Register a passkey of the clerk who is signed in."""
    options = browser.post_json("/counter/passkeys/options", {}).get_json()
    return browser.post_json("/counter/passkeys/proof", {"credential": own.make(options), "title": title})


def options_of(browser: PageClient) -> dict[str, Any]:
    found: dict[str, Any] = browser.post_json(f"{SIGN_IN}/options", {}).get_json()
    return found


def enter(browser: PageClient, own: SoftAuthenticator, **how: Any) -> Any:
    """Sign in; the hub's answer."""
    return browser.post_json(f"{SIGN_IN}/proof", {"credential": own.prove(options_of(browser), **how)})


@pytest.fixture
def clerk(library_hub: HubHarness) -> PageClient:
    """A clerk who has signed in with the staff card."""
    return staff_client(library_hub, "adult", ["clerk"])


@pytest.fixture
def key(clerk: PageClient) -> SoftAuthenticator:
    """That clerk's passkey."""
    own = SoftAuthenticator(ORIGIN, RP)
    answer = make(clerk, own)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return own


def test_a_passkey_signs_in(library_hub: HubHarness, key: SoftAuthenticator) -> None:
    """A new browser comes in by the key alone, and the audit says by what."""
    browser = PageClient(library_hub)
    options = options_of(browser)
    assert (options["userVerification"], options["rpId"], options["allowCredentials"]) == ("required", RP, [])
    assert enter(browser, key).get_json() == {"next": "/counter/"}
    assert browser.get("/counter/").status_code == 200
    assert [one.facts["method"] for one in library_hub.audit("staff.signed_in")] == ["card", "passkey"]


def test_a_replayed_proof_is_refused(library_hub: HubHarness, key: SoftAuthenticator) -> None:
    """The same answer is good once, and never in another browser."""
    browser, other = PageClient(library_hub), PageClient(library_hub)
    proof = {"credential": key.prove(options_of(browser))}
    assert other.post_json(f"{SIGN_IN}/proof", proof).get_json()["code"] == "passkey_expired"
    options_of(other)
    assert other.post_json(f"{SIGN_IN}/proof", proof).get_json()["code"] == "passkey_refused"
    assert browser.post_json(f"{SIGN_IN}/proof", proof).status_code == 200
    again = PageClient(library_hub)
    assert again.post_json(f"{SIGN_IN}/proof", proof).get_json()["code"] == "passkey_expired"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("origin", "https://evil.example"), ("rp_id", "evil.example"), ("flags", PRESENT), ("flags", 0)],
    ids=["other origin", "other relying party", "user not verified", "user not present"],
)
def test_proofs_that_do_not_come_in(
    library_hub: HubHarness, key: SoftAuthenticator, attribute: str, value: Any
) -> None:
    """An answer for another page or hub, or without its user's finger, signs nobody in and is in the audit."""
    setattr(key, attribute, value)
    browser = PageClient(library_hub)
    assert enter(browser, key).get_json()["code"] == "passkey_refused"
    assert browser.get("/counter/").status_code == 303
    assert library_hub.audit("portal.refused")[-1].facts["code"] == "passkey_refused"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("origin", "https://evil.example"), ("rp_id", "evil.example"), ("flags", PRESENT)],
    ids=["other origin", "other relying party", "user not verified"],
)
def test_keys_that_are_not_kept(clerk: PageClient, attribute: str, value: Any) -> None:
    """What would be refused at a sign-in is not registered either."""
    own = SoftAuthenticator(ORIGIN, RP)
    setattr(own, attribute, value)
    assert make(clerk, own).get_json()["code"] == "passkey_refused"


def test_the_counter_has_to_rise(library_hub: HubHarness, key: SoftAuthenticator) -> None:
    """A copy of the key falls behind the original and is refused; a key that never counts is fine."""
    assert enter(PageClient(library_hub), key).status_code == 200
    key.count = 0
    assert enter(PageClient(library_hub), key).get_json()["code"] == "passkey_counter"
    quiet = SoftAuthenticator(ORIGIN, RP)
    assert make(staff_client(library_hub, "renewed", ["supervisor"]), quiet).status_code == 200
    for _ in range(2):
        assert enter(PageClient(library_hub), quiet, counts=False).status_code == 200


def test_the_signature_and_the_owner_count(library_hub: HubHarness, key: SoftAuthenticator) -> None:
    """Another key under the same id, an unknown id, and another user's handle are refused."""
    forged = SoftAuthenticator(ORIGIN, RP, credential_id=key.credential_id, user_handle=key.user_handle, count=9)
    assert enter(PageClient(library_hub), forged).get_json()["code"] == "passkey_refused"
    stranger = SoftAuthenticator(ORIGIN, RP, user_handle=key.user_handle)
    assert enter(PageClient(library_hub), stranger).get_json()["code"] == "passkey_unknown"
    key.user_handle = bytes(32)
    assert enter(PageClient(library_hub), key).get_json()["code"] == "passkey_unknown"


def test_a_challenge_is_for_one_thing_and_for_five_minutes(library_hub: HubHarness, key: SoftAuthenticator) -> None:
    """That for making is none for signing in, and each is over after five minutes."""
    clerk = staff_client(library_hub, "renewed", ["supervisor"])
    making = clerk.post_json("/counter/passkeys/options", {}).get_json()
    assert (
        clerk.post_json(f"{SIGN_IN}/proof", {"credential": key.prove(making)}).get_json()["code"] == "passkey_expired"
    )
    browser = PageClient(library_hub)
    options = options_of(browser)
    library_hub.clock.move(timedelta(minutes=5))
    answer = browser.post_json(f"{SIGN_IN}/proof", {"credential": key.prove(options)})
    assert answer.get_json()["code"] == "passkey_expired"


def test_a_key_belongs_to_one_member(library_hub: HubHarness, key: SoftAuthenticator) -> None:
    """A second member cannot register the same key, nor remove another's."""
    other = staff_client(library_hub, "renewed", ["supervisor"])
    assert make(other, key).get_json()["code"] == "passkey_exists"
    with library_hub.hub.database.reading() as session:
        known = session.execute(text("SELECT id FROM staff_passkey")).scalar_one()
    assert other.post("/counter/passkeys/remove", {"passkey": str(known)}).status_code == 403


def test_an_invitation_makes_the_first_passkey(library_hub: HubHarness) -> None:
    """Somebody without a card comes in by an administrator's code, once."""
    staff = StaffRegister(MUNICIPALITY)
    with library_hub.hub.database.writing() as session:
        staff.put(session, "sato", "佐藤", ["clerk"], at=library_hub.clock(), actor="staff:test")
        code = staff.invite(session, "sato", at=library_hub.clock())
    browser, own = PageClient(library_hub), SoftAuthenticator(ORIGIN, RP)
    wrong = browser.post_json(f"{SIGN_IN}/invited/options", {"invitation": "AAAABBBBCCCC"})
    assert wrong.get_json()["code"] == "staff_invitation_invalid"
    options = browser.post_json(f"{SIGN_IN}/invited/options", {"invitation": code}).get_json()
    body = {"invitation": code, "credential": own.make(options), "title": ""}
    assert browser.post_json(f"{SIGN_IN}/invited/proof", body).get_json() == {"next": "/counter/"}
    assert browser.get("/counter/passkeys").status_code == 200
    again = PageClient(library_hub).post_json(f"{SIGN_IN}/invited/options", {"invitation": code})
    assert again.get_json()["code"] == "staff_invitation_invalid"


def test_whoever_has_left_does_not_come_in(library_hub: HubHarness, key: SoftAuthenticator) -> None:
    """Ending a member's access deletes the keys; only the public one was ever here."""
    with library_hub.hub.database.writing() as session:
        StaffRegister(MUNICIPALITY).end(session, "test-clerk", at=library_hub.clock(), actor="staff:test")
    assert enter(PageClient(library_hub), key).get_json()["code"] == "passkey_unknown"


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "http://[::1]:8080"])
def test_a_numeric_address_has_no_passkeys(origin: str) -> None:
    """WebAuthn needs a host name; a port is no part of it."""
    with pytest.raises(PasskeyRefused) as refused:
        RelyingParty.of(origin)
    assert refused.value.code == "passkey_no_domain"
    assert RelyingParty.of("http://localhost:8080").id == "localhost"
