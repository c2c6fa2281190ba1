"""The cache of validated certificates: bounded, shared between threads, and never a way around a check."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from mykey_cardap.emulator.jpki.authority import EmulatedJpki
from mykey_cardap.kinds import CertificateKind
from mykey_core.trust import fast_path
from mykey_core.trust.certificate_cache import CertificateCache
from mykey_core.trust.errors import CertificateRefused
from mykey_core.trust.store import TrustStore

NOW = datetime(2026, 11, 1, 3, tzinfo=UTC)
KIND = CertificateKind.AUTHENTICATION
POLICIES = frozenset({"1.2.392.200149.8.5.1.3.30"})
JPKI = EmulatedJpki(date(2026, 11, 1))
STORE = TrustStore([JPKI.ca_certificate(KIND, generation) for generation in (1, 2, 3, 4)])
NAMES = ("adult", "child", "renewed", "generation-2", "next-generation")
CARDS = [JPKI.certificate(JPKI.persona(name), KIND).public_bytes(serialization.Encoding.DER) for name in NAMES]


def _cache(size: int = 10) -> CertificateCache:
    return CertificateCache(store=STORE, kind=KIND, policy_oids=POLICIES, size=size)


def test_a_hit_is_the_same_object_and_costs_no_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look at the same bytes asks nobody."""
    cache = _cache()
    first = cache.validate(CARDS[0], NOW)
    monkeypatch.setattr(fast_path, "validate_known", None)
    assert cache.validate(CARDS[0], NOW) is first


def test_the_least_recently_used_leaves_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded: at most `size` certificates are kept, and use keeps one in."""
    cache = _cache(size=2)
    for card in (CARDS[0], CARDS[1], CARDS[0], CARDS[2]):
        cache.validate(card, NOW)
    assert len(cache) == 2
    monkeypatch.setattr(fast_path, "validate_known", None)
    assert cache.validate(CARDS[0], NOW)
    assert cache.validate(CARDS[2], NOW)
    with pytest.raises(TypeError):
        cache.validate(CARDS[1], NOW)


def test_refusals_are_not_kept() -> None:
    """What was refused is validated anew each time: an attacker fills nothing."""
    cache = _cache()
    for number in range(20):
        with pytest.raises(CertificateRefused):
            cache.validate(CARDS[0][:-1] + bytes((number,)) + b"\x00", NOW)
    assert len(cache) == 0


@pytest.mark.parametrize("shift", [timedelta(days=-4000), timedelta(days=4000)])
def test_time_is_looked_at_on_every_hit(shift: timedelta) -> None:
    """A kept certificate is refused at a moment when it is not valid, and accepted again when it is."""
    cache = _cache()
    assert cache.validate(CARDS[0], NOW)
    with pytest.raises(CertificateRefused):
        cache.validate(CARDS[0], NOW + shift)
    assert cache.validate(CARDS[0], NOW)


def test_many_threads_share_it() -> None:
    """Answers under contention are those of a validation alone, and the bound holds."""
    cache = _cache(size=3)
    alone = {
        card: fast_path.validate(card, store=STORE, kind=KIND, policy_oids=POLICIES, now=NOW).serial_number
        for card in CARDS
    }
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda card: cache.validate(card, NOW).validated.serial_number, CARDS * 60))
    assert found == [alone[card] for card in CARDS * 60]
    assert len(cache) <= 3
