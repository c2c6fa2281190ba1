"""The nonce: NON-01 to NON-06 and ChallengeNonceGeneratorTest, in the in-memory store and in the verifier."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from mykey_core.authentication.errors import TokenRefused
from mykey_core.authentication.nonce import NONCE_LIFETIME, NonceStore, new_nonce
from mykey_core.trust.types import Check

THREADS = 50


def _refusal(store: NonceStore, nonce: str, at: Any, **names: Any) -> str:
    with pytest.raises(TokenRefused) as caught:
        store.consume(nonce, at, **names)
    assert caught.value.check is Check.NONCE
    return caught.value.code


def test_nonce_generation() -> None:
    """44 characters of base64, 256 bits, and never the same twice."""
    made = {new_nonce() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(nonce) for nonce in made} == {44}
    assert {len(base64.b64decode(nonce, validate=True)) for nonce in made} == {32}


def test_non_01_second_use(world: Any) -> None:
    """NON-01: a nonce is used up by its first use."""
    store, nonce = NonceStore(), new_nonce()
    store.issue(nonce, world.now)
    store.consume(nonce, world.now)
    assert _refusal(store, nonce, world.now) == "nonce_used"


def test_non_01_used_nonce_is_not_issued_again(world: Any) -> None:
    """NON-01: issuing the same nonce once more does not bring it back to life."""
    store, nonce = NonceStore(), new_nonce()
    store.issue(nonce, world.now)
    store.consume(nonce, world.now)
    store.issue(nonce, world.now)
    assert _refusal(store, nonce, world.now) == "nonce_used"


def test_non_01_failed_attempt_uses_it_up_too(world: Any) -> None:
    """NON-01: it is removed during look-up, before validation, so that an expired look uses it up as well."""
    store, nonce = NonceStore(), new_nonce()
    store.issue(nonce, world.now)
    assert _refusal(store, nonce, world.now + timedelta(hours=1)) == "nonce_expired"
    assert _refusal(store, nonce, world.now) == "nonce_used"


def test_non_01_only_the_check_of_the_state_stops_a_replay(world: Any, switch_off: Any) -> None:
    """With the check of the state off, the same nonce would do twice."""
    switch_off("nonce.check_open")
    store, nonce = NonceStore(), new_nonce()
    store.issue(nonce, world.now)
    store.consume(nonce, world.now)
    store.consume(nonce, world.now)


@pytest.mark.parametrize("length", [1, 43])
def test_non_02_short(world: Any, refused: Any, length: int) -> None:
    """NON-02: below 44 characters a nonce could be guessed; the verifier refuses it even when signed."""
    short = "A" * length
    refused(world.attempt(nonce=short, signed_nonce=short), "nonce_too_short", "nonce.check_length")


@pytest.mark.parametrize(
    ("nonce", "code"), [(None, "nonce_missing"), ("", "nonce_missing"), ("あ" * 44, "nonce_malformed")]
)
def test_non_04_absent(world: Any, refused: Any, nonce: Any, code: str) -> None:
    """NON-04: no nonce was issued, or something that no hub issues."""
    refused(world.attempt(nonce=nonce), code)


def test_non_03_expired(world: Any) -> None:
    """NON-03: five minutes, both ends included."""
    for age, code in ((NONCE_LIFETIME, None), (NONCE_LIFETIME + timedelta(microseconds=1), "nonce_expired")):
        store, nonce = NonceStore(), new_nonce()
        store.issue(nonce, world.now)
        if code is None:
            store.consume(nonce, world.now + age)
        else:
            assert _refusal(store, nonce, world.now + age) == code
    assert timedelta(minutes=5) == NONCE_LIFETIME


def test_non_03_clock_set_back(world: Any) -> None:
    """A clock that went back a day must not make nonces live for a day."""
    store, nonce = NonceStore(), new_nonce()
    store.issue(nonce, world.now)
    assert _refusal(store, nonce, world.now - timedelta(days=1)) == "nonce_from_the_future"


def test_non_03_only_the_check_of_age_stops_an_old_nonce(world: Any, switch_off: Any) -> None:
    """With the check of age off, an old nonce would do."""
    switch_off("nonce.check_age")
    store, nonce = NonceStore(), new_nonce()
    store.issue(nonce, world.now)
    store.consume(nonce, world.now + timedelta(days=30))


def test_non_04_never_issued(world: Any) -> None:
    """NON-04: a nonce that this hub did not issue."""
    assert _refusal(NonceStore(), new_nonce(), world.now) == "nonce_unknown"


def test_non_05_two_tabs_the_last_wins(world: Any) -> None:
    """NON-05: in one session the newest nonce counts, the older one is superseded."""
    store, first, second = NonceStore(), new_nonce(), new_nonce()
    store.issue(first, world.now, session="s")
    store.issue(second, world.now, session="s")
    assert _refusal(store, first, world.now, session="s") == "nonce_superseded"
    store.consume(second, world.now, session="s")


def test_nonce_of_another_session_or_tenant(world: Any) -> None:
    """Web eID v1's login CSRF: the attacker's nonce posted in the victim's session is unknown there, and unharmed."""
    store, nonce = NonceStore(), new_nonce()
    store.issue(nonce, world.now, session="132217/attacker")
    assert _refusal(store, nonce, world.now, session="132217/victim") == "nonce_unknown"
    assert _refusal(store, nonce, world.now, session="102016/attacker") == "nonce_unknown"
    assert _refusal(store, nonce, world.now) == "nonce_unknown"
    store.consume(nonce, world.now, session="132217/attacker")


def test_only_the_check_of_the_session_stops_a_foreign_nonce(world: Any, switch_off: Any) -> None:
    """With the check of the session off, the attacker's nonce would do in the victim's session."""
    switch_off("nonce.check_session")
    store, nonce = NonceStore(), new_nonce()
    store.issue(nonce, world.now, session="attacker")
    store.consume(nonce, world.now, session="victim")


def test_non_06_race_exactly_one_wins(world: Any) -> Any:
    """NON-06: of 50 threads that use one nonce at the same moment exactly one may, twenty times over."""
    barrier = Barrier(THREADS)

    def attempt(store: NonceStore, nonce: str) -> bool:
        barrier.wait()
        try:
            store.consume(nonce, world.now)
        except TokenRefused:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(20):
            store, nonce = NonceStore(), new_nonce()
            store.issue(nonce, world.now)
            wins = list(pool.map(attempt, [store] * THREADS, [nonce] * THREADS))
            assert wins.count(True) == 1


def test_old_nonces_are_forgotten(world: Any) -> None:
    """The store does not grow without end; what is forgotten is unknown, not usable."""
    store, old, young = NonceStore(), new_nonce(), new_nonce()
    store.issue(old, world.now - timedelta(hours=1), session="s")
    store.issue(young, world.now, session="t")
    store.forget_before(world.now - NONCE_LIFETIME)
    assert _refusal(store, old, world.now, session="s") == "nonce_unknown"
    store.consume(young, world.now, session="t")
