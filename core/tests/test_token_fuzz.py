"""Any bytes at all: the token parser and the certificate rules answer with a refusal and with nothing else."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from mykey_cardap.emulator.jpki.authority import EmulatedJpki
from mykey_cardap.kinds import CertificateKind
from mykey_core.authentication import token as tokens
from mykey_core.authentication.errors import TokenRefused
from mykey_core.authentication.reasons import ALL_REASONS
from mykey_core.trust import fast_path
from mykey_core.trust.errors import CertificateRefused
from mykey_core.trust.store import TrustStore

NOW = datetime(2026, 11, 1, 3, tzinfo=UTC)
KIND = CertificateKind.AUTHENTICATION
JPKI = EmulatedJpki(date(2026, 11, 1))
CARD = JPKI.certificate(JPKI.persona("adult"), KIND).public_bytes(serialization.Encoding.DER)
STORE = TrustStore([JPKI.ca_certificate(KIND, generation) for generation in (1, 2, 3)])
POLICIES = frozenset({"1.2.392.200149.8.5.1.3.30"})
GOOD = {
    "unverifiedCertificate": base64.b64encode(CARD).decode(),
    "algorithm": "RS256",
    "signature": base64.b64encode(bytes(256)).decode(),
    "format": "web-eid:1.0",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def _parse(text: str | bytes) -> None:
    try:
        found = tokens.parse(text)
    except TokenRefused as refusal:
        assert refusal.code in ALL_REASONS  # noqa: PT017 - a refusal is the allowed outcome
    else:
        assert found.certificate


@given(st.binary(max_size=300) | st.binary(min_size=100, max_size=12_000))
def test_any_bytes(raw: bytes) -> None:
    """Bytes of any kind, short and long."""
    _parse(raw)


@given(st.text(min_size=90, max_size=300))
def test_any_text(text: str) -> None:
    """Text of any kind, lone surrogates left to the next test."""
    _parse(text)


@given(st.dictionaries(st.sampled_from([*GOOD, "x"]), JSON | st.sampled_from(list(GOOD.values()))))
def test_any_members(members: dict[str, Any]) -> None:
    """Objects with the right names and values of any type."""
    _parse(json.dumps(GOOD | members))


@pytest.mark.parametrize("member", sorted(GOOD))
def test_lone_surrogates(member: str) -> None:
    """A surrogate alone, which JSON can spell and no encoding can hold."""
    _parse(json.dumps(GOOD | {member: "\ud800" * 10}))
    _parse("\ud800" * 200)


@settings(max_examples=400)
@given(st.integers(0, len(CARD) - 1), st.binary(min_size=1, max_size=3))
def test_a_spoilt_certificate_is_refused(position: int, noise: bytes) -> None:
    """A genuine certificate with some bytes replaced: refused with a code, never accepted, never an error."""
    spoilt = CARD[:position] + noise + CARD[position + len(noise) :]
    if spoilt == CARD:
        return
    with pytest.raises(CertificateRefused) as caught:
        fast_path.validate(spoilt, store=STORE, kind=KIND, policy_oids=POLICIES, now=NOW)
    assert caught.value.code in ALL_REASONS


@given(st.binary(max_size=400))
def test_any_bytes_as_a_certificate(raw: bytes) -> None:
    """Bytes that are no certificate."""
    with pytest.raises(CertificateRefused):
        fast_path.validate(raw, store=STORE, kind=KIND, policy_oids=POLICIES, now=NOW)


@given(st.integers(0, len(CARD)))
def test_a_certificate_cut_short(length: int) -> None:
    """Every prefix of a certificate is refused, the whole is accepted."""
    if length == len(CARD):
        assert fast_path.validate(CARD, store=STORE, kind=KIND, policy_oids=POLICIES, now=NOW)
        return
    with pytest.raises(CertificateRefused):
        fast_path.validate(CARD[:length], store=STORE, kind=KIND, policy_oids=POLICIES, now=NOW)
