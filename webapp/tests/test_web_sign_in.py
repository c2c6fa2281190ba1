"""Signing in with the card and by another device: what is let in, what is refused, and what is written about it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from mykey_testkit.browsers import PageClient, citizen_client, register, staff_client
from mykey_testkit.hub import HubHarness, sign_challenge

HTML = {"Accept": "text/html", "Accept-Language": "en"}


def begin(browser: PageClient) -> dict[str, Any]:
    found: dict[str, Any] = browser.post_json("/sign-in/challenge", {}).get_json()
    return found


def prove(browser: PageClient, challenge: dict[str, Any], persona: str = "adult", **signing: Any) -> Any:
    token = sign_challenge(persona, challenge, **signing)
    return browser.post_json("/sign-in/card", {"id": challenge["id"], "token": token})


@pytest.mark.parametrize(
    ("persona", "code"),
    [
        ("adult", "portal_not_registered"),
        ("revoked", "certificate_revoked"),
        ("held", "certificate_held"),
        ("expired", "certificate_expired"),
        ("forged-ca", "issuer_signature_invalid"),
    ],
)
def test_cards_that_do_not_come_in(library_hub: HubHarness, persona: str, code: str) -> None:
    """Each has its own code, the browser stays outside, and the refusal is in the audit."""
    browser = PageClient(library_hub)
    answer = prove(browser, begin(browser), persona)
    assert answer.get_json()["code"] == code
    assert browser.get("/my/").status_code == 303
    assert [record.facts["code"] for record in library_hub.audit("portal.refused")] == [code]


def test_a_next_generation_card_signs_in(library_hub: HubHarness) -> None:
    """A P-384 card comes in like any other, and the evidence says so."""
    citizen_client(library_hub, "next-generation")
    facts = library_hub.audit("portal.signed_in")[-1].facts
    assert (facts["algorithm"], facts["method"]) == ("ES384", "card")


def test_the_nonce_belongs_to_one_browser(library_hub: HubHarness) -> None:
    """A proof for the challenge of another browser signs nobody in (login forgery)."""
    register(library_hub, "adult")
    attacker, victim = PageClient(library_hub), PageClient(library_hub)
    challenge = begin(attacker)
    assert prove(victim, challenge).get_json()["code"] == "sign_in_expired"
    assert prove(attacker, challenge).status_code == 200


def test_the_nonce_is_good_once_and_for_five_minutes(library_hub: HubHarness) -> None:
    """Used, failed, replaced by a newer one, or old: all are over."""
    register(library_hub, "adult")
    browser = PageClient(library_hub)
    challenge = begin(browser)
    assert prove(browser, challenge, origin="https://evil.example").get_json()["code"] == "signature_invalid"
    assert prove(browser, challenge).get_json()["code"] == "sign_in_expired"
    older, newer = begin(browser), begin(browser)
    assert prove(browser, older).get_json()["code"] == "sign_in_expired"
    library_hub.clock.move(timedelta(minutes=5))
    assert prove(browser, newer).get_json()["code"] == "sign_in_expired"


def test_a_taps_proof_is_no_sign_in(library_hub: HubHarness) -> None:
    """What the card signed for a tap at a counter signs nobody in, and the other way round."""
    terminal = library_hub.terminal()
    terminal.tap("adult", "library-desk", "link", patron_number="10000017")
    browser = PageClient(library_hub)
    tap, challenge = terminal.begin("library-desk"), begin(browser)
    for_tap, for_page = sign_challenge("adult", tap), sign_challenge("adult", challenge)
    answer = browser.post_json("/sign-in/card", {"id": challenge["id"], "token": for_tap})
    assert answer.get_json()["code"] == "signature_invalid"
    assert terminal.prove(tap, for_page).get_json()["code"] == "signature_invalid"


def test_staff_needs_an_invitation_and_then_the_card(library_hub: HubHarness) -> None:
    """A card is nobody's until its holder has entered the code; the code works once."""
    browser = PageClient(library_hub)
    assert browser.sign_in("adult", "staff").get_json()["code"] == "staff_card_unknown"
    staff_client(library_hub, "adult", ["clerk"])
    again = PageClient(library_hub)
    assert again.sign_in("adult", "staff").status_code == 200
    assert again.sign_in("renewed", "staff", "WRONGCODE123").get_json()["code"] == "staff_invitation_invalid"
    assert [record.facts["actor"] for record in library_hub.audit("staff.signed_in")] == ["staff:test-clerk"] * 2


# -- by another device ----------------------------------------------------------------------------------------


def show_code(browser: PageClient) -> tuple[str, str]:
    """(code, digits) that the browser shows."""
    page = browser.post("/sign-in/other-device", headers=HTML).text
    code, digits = re.search(r'id="code">([^<]+)<', page), re.search(r'id="comparison">(\d{4})<', page)
    assert code is not None
    assert digits is not None
    return code[1], digits[1]


def approve(device: PageClient, code: str, persona: str = "adult") -> Any:
    challenge = device.post_json("/sign-in/approve/challenge", {"code": code}).get_json()
    if "nonce" not in challenge:
        return challenge["code"]
    token = sign_challenge(persona, challenge)
    answer = device.post_json("/sign-in/approve/card", {"id": challenge["id"], "token": token}).get_json()
    return answer.get("code", "approved")


def test_a_device_without_reader_comes_in(library_hub: HubHarness) -> None:
    """Code, digits on both screens, the card on the other device: then the first browser has a new session."""
    register(library_hub, "adult")
    sofa, desk = PageClient(library_hub), PageClient(library_hub)
    code, digits = show_code(sofa)
    asked = desk.post_json("/sign-in/approve/challenge", {"code": code.lower()}).get_json()
    assert asked["comparison"] == digits
    assert sofa.get("/sign-in/other-device/state").get_json() == {"state": "open"}
    assert approve(desk, code) == "approved"
    assert desk.get("/my/").status_code == 303, "who approves is not signed in by that"
    assert sofa.post("/sign-in/other-device/finish").location == "/my/"
    assert sofa.get("/my/").status_code == 200
    assert library_hub.audit("portal.signed_in")[-1].facts["method"] == "hand-over"
    assert len(library_hub.audit("portal.handed_over")) == 1


def test_only_the_browser_that_began_comes_in(library_hub: HubHarness) -> None:
    """Whoever has seen the QR code gets nothing by it, and an approval is used once."""
    register(library_hub, "adult")
    sofa, desk, thief = (PageClient(library_hub) for _ in range(3))
    code, _ = show_code(sofa)
    approve(desk, code)
    assert thief.post("/sign-in/other-device/finish").status_code == 410
    assert sofa.post("/sign-in/other-device/finish").status_code == 303
    assert sofa.post("/sign-in/other-device/finish").status_code == 410
    assert approve(desk, code) == "hand_over_unknown"


def test_before_the_approval_nobody_comes_in(library_hub: HubHarness) -> None:
    register(library_hub, "adult")
    sofa = PageClient(library_hub)
    code, _ = show_code(sofa)
    assert sofa.post("/sign-in/other-device/finish").status_code == 410
    assert approve(sofa, code) == "hand_over_unknown", "a browser does not approve itself"


def test_a_refused_hand_over_is_over(library_hub: HubHarness) -> None:
    """'The digits differ' ends it for both, whatever comes after."""
    register(library_hub, "adult")
    sofa, desk = PageClient(library_hub), PageClient(library_hub)
    code, _ = show_code(sofa)
    asked = desk.post_json("/sign-in/approve/challenge", {"code": code}).get_json()
    desk.post_json("/sign-in/approve/refuse", {"id": asked["id"]})
    assert sofa.get("/sign-in/other-device/state").get_json() == {"state": "refused"}
    assert sofa.post("/sign-in/other-device/finish").status_code == 403
    assert approve(desk, code) == "hand_over_unknown"


def test_a_hand_over_lives_three_minutes(library_hub: HubHarness) -> None:
    register(library_hub, "adult")
    sofa, desk = PageClient(library_hub), PageClient(library_hub)
    code, _ = show_code(sofa)
    library_hub.clock.move(timedelta(minutes=3))
    assert approve(desk, code) == "hand_over_unknown"
    code, _ = show_code(sofa)
    approve(desk, code)
    library_hub.clock.move(timedelta(minutes=3))
    assert sofa.post("/sign-in/other-device/finish").status_code == 410


def test_codes_cannot_be_guessed_in_haste(library_hub: HubHarness) -> None:
    """Ten codes a minute from one address."""
    desk = PageClient(library_hub)
    answers = [approve(desk, f"{number:012d}") for number in range(11)]
    assert answers == ["hand_over_unknown"] * 10 + ["too_many_requests"]


def test_an_approvals_nonce_signs_nobody_in(library_hub: HubHarness) -> None:
    """The proof for a hand-over is no sign-in of the approving browser, and a sign-in's proof approves nothing."""
    register(library_hub, "adult")
    sofa, desk = PageClient(library_hub), PageClient(library_hub)
    code, _ = show_code(sofa)
    asked = desk.post_json("/sign-in/approve/challenge", {"code": code}).get_json()
    assert prove(desk, asked).get_json()["code"] == "sign_in_expired"
    own = begin(desk)
    body = {"id": own["id"], "token": sign_challenge("adult", own)}
    assert desk.post_json("/sign-in/approve/card", body).get_json()["code"] == "hand_over_unknown"
    assert sofa.get("/sign-in/other-device/state").get_json() == {"state": "open"}
