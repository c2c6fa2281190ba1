"""The platform-operator adapter against the test kit's operator, which is a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes

from mykey_core.trust.errors import RevocationDataError, RevocationUnavailable
from mykey_core.trust.revocation.breaker import BreakerSettings, CircuitBreaker
from mykey_core.trust.revocation.fetch import Fetcher, Limits
from mykey_core.trust.revocation.operator_answer import read_status
from mykey_core.trust.revocation.operator_source import OperatorSettings, OperatorSource
from mykey_core.trust.revocation.sources import RevocationUnknown, SourcesExhausted
from mykey_core.trust.types import RevocationMode, RevocationState
from mykey_testkit.operator_service import ACCESS_TOKEN
from mykey_testkit.revocation import HOUR, JPKI, KIND, MOMENT, card


class Operator:
    """A running operator service and the adapter that asks it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def behave(self, **behaviour: Any) -> None:
        """Tell the service how to answer."""
        with httpx.Client(trust_env=False) as client:
            client.put(f"{self.url}/admin/behaviour", content=json.dumps(behaviour)).raise_for_status()

    def source(self, token: str = ACCESS_TOKEN, *, seconds: float = 5) -> OperatorSource:
        """An adapter with one attempt."""
        settings = OperatorSettings(url=f"{self.url}/v1/certificate-status", token=token, attempts=1)
        limits = Limits(deadline=timedelta(seconds=seconds), step=timedelta(seconds=seconds))
        return OperatorSource(settings, fetcher=Fetcher(limits), breaker=CircuitBreaker(BreakerSettings()))


@pytest.fixture(scope="module")
def operator_process() -> Iterator[Operator]:
    """The service as a process."""
    command = [sys.executable, "-m", "mykey_testkit.operator_service", "--at", MOMENT.isoformat()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Operator(json.loads(process.stdout.readline())["url"])
        process.stdin.close()
        process.wait(20)


@pytest.fixture
def operator(operator_process: Operator) -> Operator:
    """The service, well-behaved at first."""
    operator_process.behave()
    return operator_process


@pytest.mark.parametrize(
    ("persona", "state", "reason"),
    [
        ("adult", RevocationState.GOOD, None),
        ("held", RevocationState.HELD, "certificateHold"),
        ("revoked", RevocationState.REVOKED, "keyCompromise"),
    ],
)
def test_the_operators_answer_becomes_ours(
    operator: Operator, persona: str, state: RevocationState, reason: str | None
) -> None:
    """Good, on hold and revoked, with the reason, the source and the time that the evidence needs."""
    answer = operator.source().check(card(persona), MOMENT)
    assert (answer.state, answer.reason, answer.this_update) == (state, reason, MOMENT)
    assert answer.source == "operator:CHECK_METHOD_OCSP"


FAULTS = {
    "http-500": "http_status",
    "other-certificate": "operator_other_certificate",
    "other-purpose": "operator_purpose",
    "no-time": "operator_malformed",
    "future": "operator_time",
    "strange-status": "operator_malformed",
}


@pytest.mark.parametrize(("fault", "code"), FAULTS.items())
def test_an_answer_that_is_not_about_this_question_is_refused(operator: Operator, fault: str, code: str) -> None:
    """Another certificate, another purpose, no time, an unknown word: no answer at all."""
    operator.behave(fault=fault)
    with pytest.raises(SourcesExhausted) as caught:
        operator.source().check(card(), MOMENT)
    assert [attempt.code for attempt in caught.value.attempts] == [code]


def test_a_wrong_token_and_a_slow_operator_are_refusals(operator: Operator) -> None:
    """401 and silence end as refusals, and the token is in no message."""
    with pytest.raises(SourcesExhausted, match="http_status") as caught:
        operator.source("wrong-secret").check(card(), MOMENT)
    assert "wrong-secret" not in repr(caught.value) + repr(operator.source("wrong-secret")._settings)
    operator.behave(fault="http-slow")
    with pytest.raises(SourcesExhausted, match="http_timeout"):
        operator.source(seconds=0.4).check(card(), MOMENT)


def test_a_certificate_that_the_operator_does_not_know(operator: Operator) -> None:
    """STATUS_UNKNOWN is a refusal of its own, not an outage."""
    der = JPKI.certificate(JPKI.persona("forged-ca"), KIND)
    fingerprint = der.fingerprint(hashes.SHA256())
    with pytest.raises(RevocationUnknown):
        operator.source().check(replace(card(), certificate=der, fingerprint=fingerprint), MOMENT)


@pytest.mark.parametrize(
    ("method", "limit"), [("OCSP", timedelta(minutes=17)), ("CRL", timedelta(hours=24, minutes=15))]
)
def test_old_knowledge_is_good_for_a_while_and_then_only_with_a_budget(
    operator: Operator, method: str, limit: timedelta
) -> None:
    """The daily CRL may be a day old, the responder's data a quarter of an hour; beyond that only GRACE."""
    operator.behave(method=method, age_seconds=limit.total_seconds() - 1)
    assert operator.source().check(card(), MOMENT).mode is RevocationMode.FRESH
    operator.behave(method=method, age_seconds=limit.total_seconds())
    with pytest.raises(RevocationUnavailable, match="operator_stale"):
        operator.source().check(card(), MOMENT)
    assert operator.source().check_within(card(), MOMENT, HOUR).mode is RevocationMode.GRACE
    assert operator.source().check(card("revoked"), MOMENT).state is RevocationState.REVOKED


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b'{"status": "STATUS_GOOD"}', b"\xff", b"[" * 5000])
def test_bodies_that_are_no_status_object(body: bytes) -> None:
    """Whatever comes instead of a status object is a clean refusal."""
    with pytest.raises(RevocationDataError, match="operator_malformed"):
        read_status(body, card(), MOMENT)
