"""The order of the checks: AuthTokenValidatorValidationOrderTest, CertificateValidatorTest, ORD-01, REV-01 and V13."""

from __future__ import annotations

from typing import Any

import pytest

from mykey_core.authentication.errors import TokenRefused
from mykey_core.authentication.verifier import ORDER, TokenVerifier
from mykey_core.trust.errors import RevocationUnavailable
from mykey_core.trust.store import TrustStore
from mykey_core.trust.types import Check, RevocationState


def _forged(world: Any, **changes: Any) -> Any:
    """Signed by another card."""
    return world.attempt(signature=world.sign("persona/child/authentication", "RS256", world.message()), **changes)


def test_ord_01_signature_invalid_asks_nobody(world: Any, refused: Any) -> None:
    """ORD-01, SignatureInvalid: a forged token never causes a revocation look-up."""
    revocation = world.Revocation()
    refused(_forged(world, revocation=revocation), "signature_invalid")
    assert revocation.asked == []


def test_ord_01_signature_valid_asks_about_this_certificate(world: Any) -> None:
    """SignatureValid: the source is asked once, about the certificate that signed."""
    attempt = world.attempt()
    found = attempt.verify()
    assert [asked.fingerprint for asked in attempt.revocation.asked] == [found.certificate.fingerprint]


def test_untrusted_issuer_is_not_a_matter_of_revocation(world: Any, refused: Any) -> None:
    """CertificateValidatorTest: an untrusted issuer is reported as such, even where revocation is down."""
    revocation = world.Revocation(error=RevocationUnavailable("no_crl"))
    attempt = world.attempt(world.card(issuer="ca/authentication/forged"), revocation=revocation)
    assert refused(attempt, "issuer_key_unknown").check is Check.PATH
    assert revocation.asked == []


def test_revocation_down_is_a_refusal(world: Any, refused: Any) -> None:
    """V13: no usable answer → refused (fail closed), with the reason of the source as the detail."""
    revocation = world.Revocation(error=RevocationUnavailable("crl_stale"))
    found = refused(world.attempt(revocation=revocation), "revocation_unavailable")
    assert found.detail == "crl_stale"


@pytest.mark.parametrize("answer", ["unknown", "", None, 1])
def test_only_good_is_good(world: Any, refused: Any, answer: Any) -> None:
    """An answer that is neither good nor revoked nor held is no permission (responder errors taken for good)."""
    refused(world.attempt(revocation=world.Revocation(answer)), "certificate_revoked", "verifier.check_good")


# Two faults at once: the earlier check answers (shape → kind, time, usage, policy → path → signature → revocation).
PAIRS = [
    ("shape before certificate", {"spoil": {"algorithm": "none"}}, {"usage": None}, Check.TOKEN_SHAPE),
    ("kind before time", {}, {"policies": ("1.2.392.200149.8.5.1.1.20",), "expired": True}, Check.CERTIFICATE_KIND),
    ("time before usage", {}, {"expired": True, "usage": None}, Check.CERTIFICATE_TIME),
    ("usage before policy", {}, {"usage": None, "policies": None}, Check.KEY_USAGE),
    ("policy before path", {}, {"policies": None, "issuer": "ca/authentication/forged"}, Check.POLICY),
    ("path before signature", {"signature": bytes(256)}, {"issuer": "ca/authentication/forged"}, Check.PATH),
    ("signature before revocation", {"signature": bytes(256), "revoked": True}, {}, Check.TOKEN_SIGNATURE),
    ("revocation last", {"revoked": True}, {}, Check.REVOCATION),
    ("nonce before all", {"nonce": None, "spoil": {"algorithm": "none"}}, {}, Check.NONCE),
]


@pytest.mark.parametrize(("changes", "shape", "check"), [row[1:] for row in PAIRS], ids=[row[0] for row in PAIRS])
def test_order_of_checks(world: Any, changes: Any, shape: dict[str, Any], check: Check) -> None:
    """Of two faults the one that is checked first is reported, and the evidence lists exactly what passed before."""
    shape, changes = dict(shape), dict(changes)
    if shape.pop("expired", False):
        shape["not_after"] = world.now.replace(month=world.now.month - 1)
    if changes.pop("revoked", False):
        changes["revocation"] = world.Revocation(RevocationState.REVOKED)
    with pytest.raises(TokenRefused) as caught:
        world.attempt(world.card(**shape), **changes).verify()
    assert caught.value.check is check
    passed = [found.check for found in caught.value.checks if found.passed]
    assert passed == list(ORDER[: ORDER.index(check)])


def test_rev_01_revoked_stays_revoked_for_a_card_seen_before(world: Any) -> None:
    """REV-01: the cache of validated certificates holds no revocation: each tap asks again."""
    revocation = world.Revocation()
    verifier = TokenVerifier(trust=TrustStore([world.ca()]), revocation=revocation, origin=world.origin)
    token = world.attempt().token
    assert verifier.verify(token, world.nonce, world.now)
    revocation.state = RevocationState.REVOKED
    with pytest.raises(TokenRefused, match="certificate_revoked"):
        verifier.verify(token, world.nonce, world.now)
    assert len(revocation.asked) == 2


def test_expiry_is_checked_for_a_card_seen_before(world: Any, switch_off: Any) -> None:
    """A certificate in the cache that ends is refused the moment it ends; switched off, it would live on."""
    verifier = TokenVerifier(trust=TrustStore([world.ca()]), revocation=world.Revocation(), origin=world.origin)
    card = world.card(not_after=world.now)
    token = world.attempt(card).token
    later = world.now.replace(minute=1)
    assert verifier.verify(token, world.nonce, world.now)
    with pytest.raises(TokenRefused, match="certificate_expired"):
        verifier.verify(token, world.nonce, later)
    switch_off("certificate_cache.is_still_in_time")
    assert verifier.verify(token, world.nonce, later)


def test_expiry_of_the_ca_is_checked_for_a_card_seen_before(world: Any) -> None:
    """The same for the CA's own end."""
    authority = world.ca(not_after=world.now)
    verifier = TokenVerifier(trust=TrustStore([authority]), revocation=world.Revocation(), origin=world.origin)
    token = world.attempt().token
    assert verifier.verify(token, world.nonce, world.now)
    with pytest.raises(TokenRefused, match="issuer_expired"):
        verifier.verify(token, world.nonce, world.now.replace(minute=1))


def test_refusal_carries_no_personal_data(world: Any) -> None:
    """The text of a refusal names codes only: no serial number, no subject, no nonce."""
    with pytest.raises(TokenRefused) as caught:
        _forged(world).verify()
    words = repr(caught.value) + str(caught.value) + repr(caught.value.checks)
    for secret in (str(0x0712AB), "0712AB", "997794E9AGCIEG13221003A", world.nonce):
        assert secret not in words
