"""NIST PKITS: the general path agrees with all cases, and the fast path accepts none that must be refused."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from mykey_core.trust import general_pkits
from mykey_core.trust.general_path import validate_path
from mykey_core.trust.general_pkits import PkitsCase, PkitsResult

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "pkits"
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
