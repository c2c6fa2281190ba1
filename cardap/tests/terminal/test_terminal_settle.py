"""After a lost answer: the tap is done once or not at all, and the terminal finds out which."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mykey_terminal.hub import Hub
from mykey_terminal.pending import PendingTaps
from mykey_terminal.status import terminal_status
from mykey_terminal.tap import TapReport, TapRequest, TapRunner

if TYPE_CHECKING:
    from mykey_terminal.enrolment import StateDirectory

REQUEST = TapRequest("library")


def tap(runner: TapRunner) -> TapReport:
    return runner.run(REQUEST, bytearray(b"1234"))


def code(report: TapReport) -> str:
    assert report.problem is not None
    return report.problem.code


def test_answer_lost_after_the_commit_is_found(runner: TapRunner, hub_double: Any) -> None:
    """The hub acted and died before it answered: the terminal learns the result, and nothing happens twice."""
    hub_double.faults = {"proof": ["lost-after"], "state": ["lost-before", "lost-before"]}
    report = tap(runner)
    assert report.result == {"outcome": "done", "code": "opened"}
    assert report.recovered
    assert len(hub_double.effects) == 1
    assert hub_double.count("proof") == 1
    assert runner.pending.all() == []


def test_proof_lost_before_the_commit_is_sent_again(runner: TapRunner, hub_double: Any) -> None:
    """The hub died before it acted and is back: the same proof is sent once more and takes effect once."""
    hub_double.faults = {"proof": ["lost-before"], "state": ["lost-before"]}
    report = tap(runner)
    assert report.result == {"outcome": "done", "code": "opened"}
    assert len(hub_double.effects) == 1
    assert hub_double.count("proof") == 2


def test_busy_database_is_not_the_end(runner: TapRunner, hub_double: Any) -> None:
    """503 means that nothing was done: the proof is sent again."""
    hub_double.faults = {"proof": [503]}
    assert tap(runner).result == {"outcome": "done", "code": "opened"}
    assert len(hub_double.effects) == 1


def test_proof_is_sent_at_most_twice(runner: TapRunner, hub_double: Any) -> None:
    """A hub that keeps losing proofs is asked until the tap has expired; then it is known that nothing happened."""
    hub_double.faults = {"proof": ["lost-before"] * 9}
    assert code(tap(runner)) == "tap_not_done"
    assert hub_double.count("proof") == 2
    assert hub_double.effects == []
    assert runner.pending.all() == []


def test_questions_back_off_and_end(runner: TapRunner, hub_double: Any, clock: Any) -> None:
    """While the hub is away the pauses double up to four seconds and end shortly after the tap does."""
    hub_double.faults = {"proof": ["lost-before"], "state": ["lost-before"] * 999}
    report = tap(runner)
    assert code(report) == "tap_outcome_unknown"
    assert clock.pauses[:6] == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0]
    assert 310 <= sum(clock.pauses) < 315
    assert [note.tap_id for note in runner.pending.all()] == ["tap-1"]


def test_person_does_not_wait_longer_than_agreed(runner: TapRunner, hub_double: Any, clock: Any) -> None:
    """With a bound on the wait the report comes in time, and the question stays on disk."""
    hub_double.faults = {"proof": ["lost-after"], "state": ["lost-before"] * 999}
    runner.longest_wait = timedelta(seconds=20)
    assert code(tap(runner)) == "tap_outcome_unknown"
    assert sum(clock.pauses) < 25
    assert len(runner.pending.all()) == 1


def test_refusal_that_was_lost_is_found(runner: TapRunner, hub_double: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub refused and died before it said so: the terminal learns the reason."""
    monkeypatch.setitem(hub_double._proof.__func__.__globals__, "_verifies", lambda *_: False)
    hub_double.faults = {"proof": ["lost-after"]}
    report = tap(runner)
    assert code(report) == "token_signature"
    assert report.problem is not None
    assert report.problem.status == 403


def test_fault_that_the_hub_stands_by_keeps_its_first_words(
    runner: TapRunner, hub_double: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin failed (502) and the hub confirms the refusal: the first answer, with its evidence, is reported."""

    def fail(request: Any) -> Any:
        tap_id = request.path.split("/")[-2]
        hub_double.taps[tap_id] |= {"state": "refused", "problem": {"code": "plugin_fault", "status": 502}}
        return {"code": "plugin_fault", "evidence": {"checks": ["passed"]}}, 502

    monkeypatch.setattr(hub_double, "_proof", fail)
    report = tap(runner)
    assert code(report) == "plugin_fault"
    assert report.problem is not None
    assert report.problem.extensions == {"evidence": {"checks": ["passed"]}}
    assert hub_double.count("proof") == 1


def test_tap_that_the_hub_forgot_was_not_done(runner: TapRunner, hub_double: Any) -> None:
    """A hub that does not know the tap has not acted on it."""
    hub_double.faults = {"proof": ["lost-before"], "state": [404]}
    assert code(tap(runner)) == "tap_not_done"


def test_terminal_that_was_revoked_in_between_stops_asking(runner: TapRunner, hub_double: Any, clock: Any) -> None:
    """403 on the question ends it at once, honestly: the outcome is not known."""
    hub_double.faults = {"proof": ["lost-after"], "state": [403]}
    assert code(tap(runner)) == "tap_outcome_unknown"
    assert clock.pauses == []
    assert len(runner.pending.all()) == 1


def test_refusal_of_the_proof_is_final(runner: TapRunner, hub_double: Any) -> None:
    """An answer is an answer: after 4xx nothing is asked and nothing repeated."""
    hub_double.faults = {"proof": [422]}
    assert code(tap(runner)) == "hub_busy"
    assert hub_double.count("state") == 0
    assert hub_double.count("proof") == 1


def test_power_cut_between_proof_and_answer_is_cleared_up_by_status(
    runner: TapRunner, hub_double: Any, hub: Hub, state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal dies with the proof on its way; `mykey terminal status` later says that the tap was done."""

    class PowerCutError(BaseException):
        """The plug is pulled."""

    good = Hub.send_proof

    def cut(*args: Any, **keywords: Any) -> None:
        good(*args, **keywords)
        raise PowerCutError

    monkeypatch.setattr(Hub, "send_proof", cut)
    with pytest.raises(PowerCutError):
        tap(runner)
    assert len(hub_double.effects) == 1
    status = terminal_status(hub, PendingTaps(state.pending))
    assert status["open_taps"] == [{"tap_id": "tap-1", "service": "library", "action": "open", "state": "done"}]
    assert terminal_status(hub, PendingTaps(state.pending))["open_taps"] == []


FAULTS = st.lists(st.sampled_from(["lost-before", "lost-after", 503, 500, "garbage", None]), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(proof=FAULTS, state=FAULTS)
def test_report_is_never_a_lie(runner: TapRunner, hub_double: Any, proof: list[Any], state: list[Any]) -> None:
    """Whatever breaks: 'done' means one effect, 'not done' none, and never are there two."""
    hub_double.effects.clear()
    hub_double.faults = {"proof": list(proof), "state": list(state)}
    report = runner.run(replace(REQUEST, language="en"), bytearray(b"1234"))
    if report.problem is None:
        assert len(hub_double.effects) == 1
    elif report.problem.code == "tap_not_done":
        assert hub_double.effects == []
    else:
        assert report.problem.code == "tap_outcome_unknown"
    assert len(hub_double.effects) <= 1
