"""NIST PKITS: the general path agrees with all cases, and the fast path accepts none that must be refused."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from mykey_cardap.kinds import CertificateKind
from mykey_core.trust import general_pkits
from mykey_core.trust.cli_paths import pkits
from mykey_core.trust.general_fast import fast_engine
from mykey_core.trust.general_path import PathQuestion, validate_path
from mykey_core.trust.general_pkits import PkitsCase, PkitsResult

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "pkits"
ALL_TEST_POLICIES = frozenset(f"2.16.840.1.101.3.2.1.48.{number}" for number in range(1, 12))
# What the general path may call the reason that PKITS' table names; anything else means it refused by accident.
REASONS = {
    "signature": {"signature"},
    "not-yet-valid": {"not_yet_valid"},
    "expired": {"expired"},
    "name-chaining": {"no_path"},
    "no-revocation-info": {"no_revocation_information"},
    "revoked": {"revoked", "held"},
    "crl-signature": {"crl_signature"},
    "crl-issuer": {"no_revocation_information"},
    "crl-critical-extension": {"crl_critical_extension"},
    "crl-stale": {"crl_stale"},
    "crl-signer-path": {"crl_signer_path"},
    "crl-scope": {"crl_scope", "no_revocation_information"},
    "not-a-ca": {"not_a_ca"},
    "path-length": {"path_length"},
    "key-cert-sign": {"key_cert_sign"},
    "crl-sign": {"crl_sign"},
    "policy": {"policy"},
    "policy-mapping-any": {"policy_mapping"},
    "name-constraints": {"name_constraints"},
    "unknown-critical-extension": {"unknown_critical_extension"},
}


@cache
def cases() -> list[PkitsCase]:
    """The table; skipped where the data is not beside the checkout, but never in CI."""
    if not DATA.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the PKITS data is missing: {DATA}")
        pytest.skip(f"the PKITS data is not beside the checkout: {DATA}")
    return general_pkits.read_table(DATA)


@cache
def general_results() -> list[PkitsResult]:
    """All cases through the general path, once."""
    return list(general_pkits.run(cases(), validate_path))


def test_the_general_path_agrees_with_all_256_cases() -> None:
    """Nothing is accepted that must be refused, and nothing refused that must be accepted."""
    score = general_pkits.score(general_results())
    assert (score.cases, score.agree) == (256, 256)
    assert score.false_accepts == score.false_rejects == ()


def test_each_refusal_is_for_the_reason_that_the_case_is_about() -> None:
    """A right verdict for a wrong reason would be luck."""
    wrong = {
        result.case.id: (result.case.expected_reason, result.verdict.reason)
        for result in general_results()
        if not result.case.expect_accept and result.verdict.reason not in REASONS[result.case.expected_reason]
    }
    assert wrong == {}


def test_only_the_dsa_cases_need_the_compatible_profile() -> None:
    """4.1.4 and 4.1.5 are the only accepted cases with algorithms that the strict profile refuses."""
    assert {result.case.id for result in general_results() if result.verdict.weak_algorithms} == {"4.1.4", "4.1.5"}


@pytest.mark.parametrize("kind", list(CertificateKind))
def test_the_fast_path_accepts_nothing_that_must_be_refused(kind: CertificateKind) -> None:
    """With the trust anchor as the only pinned CA, as `mykey trust validate --path fast` asks."""
    results = list(general_pkits.run(cases(), fast_engine(kind)))
    assert general_pkits.score(results).false_accepts == ()


def _pinned(case: PkitsCase) -> PathQuestion:
    """The question of a fast path that pins every CA of the case which the general path itself accepts."""
    question = case.question
    anyone = replace(question, policies=frozenset(), require_policy=False)
    cas = [ca for ca in question.intermediates if validate_path(replace(anyone, certificate=ca)).accepted]
    policies = question.policies or ALL_TEST_POLICIES
    return replace(question, anchors=(*cas, *question.anchors), intermediates=(), policies=policies)


def test_the_fast_path_under_the_issuing_ca_refuses_every_fault_of_certificate_or_crl() -> None:
    """The harder question: with the issuing CAs pinned, only rules about the hierarchy above them are out of reach."""
    above = {"path-length", "policy"}  # who pins a CA has decided that it may issue
    engine = fast_engine(CertificateKind.SIGNATURE)
    verdicts = [(case, engine(_pinned(case))) for case in cases()]
    accepted = [case for case, verdict in verdicts if verdict.accepted]
    assert {case.expected_reason for case in accepted if not case.expect_accept} <= above
    assert sum(case.expect_accept for case in accepted) >= 40  # and it does accept sound certificates


@pytest.mark.parametrize("path", ["general", "fast"])
def test_the_command_prints_the_score(path: str) -> None:
    """`mykey trust pkits` ends with the score; the general path's is full, the fast path has no false accept."""
    cases()
    result = CliRunner().invoke(pkits, [str(DATA), "--path", path])
    assert result.exit_code == 0, result.output
    score = "256 of 256 cases agree, 0 false accepts" if path == "general" else "0 false accepts"
    assert score in result.stdout.splitlines()[-1]
