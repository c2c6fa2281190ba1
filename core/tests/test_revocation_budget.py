"""Outage budgets, settings, and `mykey trust status` and `update`: what is allowed, and what stops the start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.kinds import CertificateKind
from mykey_core.errors import ConfigurationError
from mykey_core.trust.cli import trust
from mykey_core.trust.errors import RevocationUnavailable
from mykey_core.trust.revocation import cli, settings
from mykey_core.trust.revocation.budget import BudgetState, OutageBudgets, RiskClass, state_at
from mykey_core.trust.revocation.build import build_revocation
from mykey_core.trust.revocation.settings import load_settings, parse_settings
from mykey_core.trust.types import RevocationMode, RevocationState
from mykey_testkit.jpki.book import Partition
from mykey_testkit.jpki.client import JpkiService
from mykey_testkit.revocation import HOUR, JPKI, KIND, MOMENT, OTHER_TOWN, TOWN, card, make_crl

LOW, MEDIUM, HIGH = RiskClass.LOW, RiskClass.MEDIUM, RiskClass.HIGH


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with anchors, an empty CRL directory and an operator's token."""
    pems = [JPKI.ca_certificate(kind, 3).public_bytes(Encoding.PEM) for kind in CertificateKind]
    (tmp_path / "anchors.pem").write_bytes(b"".join(pems))
    (tmp_path / "crls").mkdir()
    (tmp_path / "token").write_text("secret\n")
    return tmp_path


FILES = {"type": "crl-file", "directory": "crls"}


def table(*sources: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A `[revocation]` table of a test hub."""
    return {
        "environment": "test",
        "anchors": ["anchors.pem"],
        "state": "state",
        "sources": list(sources or [FILES]),
    } | more


@pytest.mark.parametrize(
    ("after", "budget", "state", "left"),
    [
        (-HOUR, 2 * HOUR, BudgetState.FRESH, 2 * HOUR),
        (timedelta(0), 2 * HOUR, BudgetState.GRACE, 2 * HOUR),
        (HOUR, 2 * HOUR, BudgetState.GRACE, HOUR),
        (2 * HOUR, 2 * HOUR, BudgetState.CLOSED, timedelta(0)),
        (timedelta(0), timedelta(0), BudgetState.CLOSED, timedelta(0)),
    ],
)
def test_the_three_states_of_a_budget(after: timedelta, budget: timedelta, state: BudgetState, left: timedelta) -> None:
    """FRESH before the end, GRACE while the budget lasts, CLOSED from then on; without a budget never GRACE."""
    assert state_at(MOMENT, MOMENT + after, budget) == (state, left)


def test_what_is_not_declared_has_no_budget() -> None:
    """The default is zero, for every town and class that is not named."""
    budgets = OutageBudgets({TOWN: {LOW: HOUR}})
    assert budgets.of(TOWN, LOW) == HOUR
    assert budgets.of(TOWN, MEDIUM) == budgets.of(TOWN, HIGH) == budgets.of(OTHER_TOWN, LOW) == timedelta(0)


@pytest.mark.parametrize(
    ("risk", "budget"), [(HIGH, HOUR), (LOW, -HOUR), (MEDIUM, timedelta(days=8))], ids=["high", "negative", "8-days"]
)
def test_budgets_that_are_not_allowed(risk: RiskClass, budget: timedelta) -> None:
    """High risk has none; a budget is neither negative nor without end."""
    with pytest.raises(ConfigurationError) as caught:
        OutageBudgets({TOWN: {risk: budget}})
    assert caught.value.setting == f"revocation.budget.{TOWN}.{risk}"


def test_grace_only_for_the_town_and_class_that_declared_it(folder: Path) -> None:
    """The same outage: one service goes on in GRACE, every other is CLOSED; nobody's revocation is forgotten."""
    (folder / "crls" / "home.crl").write_bytes(make_crl((card("revoked").serial_number, None)))
    found = build_revocation(parse_settings(table(budget={TOWN: {"low": "PT2H"}}), base=folder))
    late = MOMENT + 2 * HOUR
    graced = found.source_for(TOWN, LOW).check(card(), late)
    assert (graced.state, graced.mode) == (RevocationState.GOOD, RevocationMode.GRACE)
    for town, risk in ((TOWN, MEDIUM), (TOWN, HIGH), (OTHER_TOWN, LOW)):
        with pytest.raises(RevocationUnavailable):
            found.source_for(town, risk).check(card(), late)
    with pytest.raises(RevocationUnavailable):
        found.source_for(TOWN, LOW).check(card(), MOMENT + 3 * HOUR)
    assert found.source_for(TOWN, LOW).check(card("revoked"), late).state is RevocationState.REVOKED


UNSAFE: dict[str, tuple[dict[str, Any], str]] = {
    "none-in-production": (table({"type": "none"}, environment="production"), "only environment = 'test'"),
    "none-beside-another": (table({"type": "none"}, FILES), "excludes every other"),
    "two-of-one-name": (table(FILES, FILES), "give each a 'name'"),
    "no-source": ({**table(), "sources": []}, "at least 1"),
    "unknown-type": (table({"type": "crl"}), "type"),
    "unknown-member": (table({**FILES, "verify": False}), "no such setting"),
    "town-without-check-digit": (table(budget={"13221": {"low": "PT1H"}}), "pattern"),
    "unknown-class": (table(budget={TOWN: {"tiny": "PT1H"}}), "'low', 'medium' or 'high'"),
    "no-anchors": ({**table(), "anchors": []}, "at least 1"),
    "zero-time-out": (table({"type": "ocsp", "timeout": 0}), "greater than"),
    "negative-skew": (table({"type": "ocsp", "skew": -1}), "greater than or equal"),
    "zero-age": (table({"type": "ocsp", "max_age": 0}), "greater than"),
    "zero-attempts": (table({"type": "ocsp", "attempts": 0}), "greater than or equal"),
}


@pytest.mark.parametrize(("wrong", "says"), UNSAFE.values(), ids=UNSAFE.keys())
def test_settings_that_stop_the_start(wrong: dict[str, Any], says: str, folder: Path) -> None:
    """InvalidTimeout, two checkers, 'none' outside of a test: an error that names the setting."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        parse_settings(wrong, base=folder)
    assert caught.value.setting.startswith("revocation")


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "operator-over-http": (
        table({"type": "operator", "url": "http://operator.example.jp/v1", "token_file": "token"}),
        "https://",
    ),
    "operator-without-token": (
        table({"type": "operator", "url": "https://operator.example.jp/v1", "token_file": "gone"}),
        "token_file",
    ),
    "ocsp-no-url": (table({"type": "ocsp", "url": "ocsp.example.jp"}), "http:// or https://"),
    "crl-user-in-url": (table({"type": "crl-http", "urls": ["http://user@crl.example.jp/a.crl"]}), "http"),
    "no-directory": (table({"type": "crl-file", "directory": "nowhere"}), "create it"),
    "responder-unreadable": (table({"type": "ocsp", "designated_responders": ["token"]}), "PEM"),
    "emulated-anchor-in-production": (table(environment="production"), "anchor"),
}


@pytest.mark.parametrize(("wrong", "says"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_sources_that_cannot_be_made_stop_the_start(wrong: dict[str, Any], says: str, folder: Path) -> None:
    """Addresses, files and anchors are checked at the start, not at the first tap."""
    with pytest.raises(ConfigurationError, match=says):
        build_revocation(parse_settings(wrong, base=folder))


def test_none_is_for_tests_and_says_so(folder: Path) -> None:
    """Revocation disabled → answers whose source is 'none'."""
    found = build_revocation(parse_settings(table({"type": "none"}), base=folder))
    assert found.source_for(TOWN, HIGH).check(card("revoked"), MOMENT).source == "none"


def test_a_settings_file_that_is_missing_or_broken(tmp_path: Path) -> None:
    """Each mistake has its own message."""
    path = tmp_path / "trust.toml"
    for content, says in ((None, "cannot be read"), ("=", "no TOML"), ("x = 1", "add one")):
        if content is not None:
            path.write_text(content)
        with pytest.raises(ConfigurationError, match=says):
            load_settings(path)
    assert settings.Environment.TEST == "test"


@contextmanager
def clock_at(now: datetime) -> Iterator[None]:
    """Run the command line at another time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "system_clock", lambda: now)
        yield


def run(folder: Path, *arguments: str, now: datetime = MOMENT) -> tuple[int, str]:
    """Run `mykey trust …` on the settings of `folder`."""
    with clock_at(now):
        done = CliRunner().invoke(trust, [*arguments, "--config", str(folder / "trust.toml")])
    return done.exit_code, done.output


def test_status_and_update_over_http(folder: Path, jpki_service: JpkiService) -> None:
    """Never fetched → fetched and fresh → an outage in GRACE → CLOSED, as the administrator sees it."""
    (folder / "trust.toml").write_text(
        f"""
        [revocation]
        environment = "test"
        anchors = ["anchors.pem"]
        state = "state"
        [[revocation.sources]]
        type = "crl-http"
        urls = ["{jpki_service.crl_url(Partition(KIND, 3, TOWN))}"]
        [revocation.budget.{TOWN}]
        low = "PT24H"
        """
    )
    code, output = run(folder, "status", "--json")
    report = json.loads(output)
    assert (code, report["snapshots"], report["problems"][0]["code"]) == (1, [], "never_fetched")
    assert run(folder, "update")[0] == 0
    code, output = run(folder, "status", "--json")
    report = json.loads(output)
    assert (code, report["problems"], report["snapshots"][0]["state"]) == (0, [], "fresh")
    assert report["snapshots"][0]["entries"] > 0
    assert report["sources"] == [{"name": "crl-http", "type": "crl-http"}]
    assert report["fetched"][0]["succeeded_at"] == MOMENT.isoformat()
    ends = datetime.fromisoformat(report["snapshots"][0]["next_update"])
    code, output = run(folder, "status", now=ends + HOUR)
    assert code == 1
    assert f"budget   {TOWN} low: grace, 23 h 00 min of 24 h 00 min left" in output
    assert "\ngrace " in output  # the data itself, while somebody may still use it
    output = run(folder, "status", now=ends + 24 * HOUR)[1]
    assert "closed, 0 h 00 min of 24 h 00 min left" in output
    assert "\nclosed " in output


@pytest.mark.parametrize("damage", ["{", "{}", "[]", "null", '{"complete": "00", "delta": null}'])
def test_a_damaged_pointer_is_reported_and_closes(folder: Path, damage: str) -> None:
    """The administrator sees which file; a tap is refused, and neither meets a traceback."""
    (folder / "trust.toml").write_text(
        f"""
        [revocation]
        environment = "test"
        anchors = ["anchors.pem"]
        state = "state"
        [[revocation.sources]]
        type = "crl-file"
        directory = "{folder / "crls"}"
        """
    )
    (folder / "crls" / "town.crl").write_bytes(make_crl())
    assert run(folder, "status", now=MOMENT)[0] == 0
    (pointer,) = (folder / "state" / "current").glob("*.json")
    pointer.write_text(damage)
    code, output = run(folder, "status", now=MOMENT)
    assert code == 1
    assert f"problem  snapshots: {pointer.name}: snapshot_unreadable" in output
    found = build_revocation(parse_settings(table(), base=folder))
    with pytest.raises(RevocationUnavailable):
        found.source_for(TOWN, LOW).check(card(), MOMENT)


def test_a_hub_without_any_crl_is_not_well(folder: Path) -> None:
    """No CRL means that every tap is refused: the status says so and does not exit with 0."""
    empty = folder / "empty"
    empty.mkdir()
    (folder / "trust.toml").write_text(
        """
        [revocation]
        environment = "test"
        anchors = ["anchors.pem"]
        state = "state"
        [[revocation.sources]]
        type = "crl-file"
        directory = "empty"
        """
    )
    code, output = run(folder, "status", now=MOMENT)
    assert (code, "problem  crl-file: -: no_crl" in output) == (1, True)


def test_status_explains_wrong_settings_without_a_traceback(tmp_path: Path) -> None:
    """Exit 2 and one sentence."""
    code, output = run(tmp_path, "status")
    assert code == 2
    assert "name an existing file" in output
