"""A state machine over uploads: whatever arrives in whatever order, a record counts once, in order, or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mykey_core.uploads.states import UploadRefused
from mykey_testkit.identity import Register
from mykey_testkit.uploads import Office

STAFF = "staff:desk-1"


class Uploads(RuleBasedStateMachine):
    """One cab and its hub. Records get lost, come late, twice, in any order; the service fails now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.register = Register(Path(self._folder.name))
        self.office = Office(self.register)
        self.cab = self.office.cab()
        self.made: list[dict[str, Any]] = []
        self.sent: set[int] = set()
        self.waived: set[int] = set()
        self.receipts: dict[int, Any] = {}

    def teardown(self) -> None:
        """Close and delete the database of this run."""
        self.register.close()
        self._folder.cleanup()

    @rule()
    def ride(self) -> None:
        """A record is made; nobody has sent it yet."""
        self.made.append(self.cab.make({"n": len(self.made)}))

    @precondition(lambda self: self.made)
    @rule(data=st.data())
    def send_some(self, data: st.DataObject) -> None:
        """Any records in any order, also again."""
        chosen = data.draw(st.lists(st.integers(0, len(self.made) - 1), max_size=5))
        answer = self.cab.upload(*(self.made[number] for number in chosen))
        self.sent |= {self.made[number]["seq"] for number in chosen}
        for told in answer.records:
            if told["seq"] in self.receipts:
                assert told["receipt"] == self.receipts[told["seq"]]  # a receipt never changes
            if told["receipt"] is not None:
                self.receipts[told["seq"]] = told["receipt"]

    @precondition(lambda self: self.made)
    @rule(data=st.data())
    def forge(self, data: st.DataObject) -> None:
        """A copy of the cab signs another record for a number that the hub has."""
        if not self.sent:
            return
        seq = data.draw(st.sampled_from(sorted(self.sent)))
        twin = self.cab.copy()
        twin.seq, twin.last = seq - 1, bytes.fromhex(self.made[seq - 1]["prev_hash"])
        before = list(self.office.heard)
        with pytest.raises(UploadRefused) as caught:
            self.cab.upload(twin.make({"forged": True}))
        assert caught.value.code == "upload_conflict"
        assert self.office.heard == before

    @rule(failing=st.booleans())
    def service_changes(self, failing: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        """The service stops or works again."""
        self.office.failing = failing

    @precondition(lambda self: self._gap() is not None)
    @rule()
    def waive(self) -> None:
        """A clerk gives the oldest gap up."""
        first, last = self._gap() or (0, 0)
        self.office.reconciliation.waive_gap(self.cab.terminal.id, first, last, actor=STAFF)
        self.waived |= set(range(first, last + 1))

    def _gap(self) -> tuple[int, int] | None:
        gaps = [case for case in self.office.reconciliation.open_cases() if case.kind == "gap"]
        return (gaps[0].first, gaps[0].last) if gaps else None

    @invariant()
    def nothing_counts_twice(self) -> None:
        """The service heard of each record at most once."""
        assert len(self.office.heard) == len(set(self.office.heard))

    @invariant()
    def nothing_overtakes_a_gap(self) -> None:
        """Whatever the service has heard, everything before it is with the hub or was waived."""
        for seq in self.office.heard:
            assert set(range(1, seq)) <= self.sent | self.waived

    @invariant()
    def what_is_complete_is_heard(self) -> None:
        """While the service works and all was sent, one more upload and it has heard all but what was waived."""
        if self.made and not self.office.failing and self.sent | self.waived >= {r["seq"] for r in self.made}:
            self.cab.upload()
            assert set(self.office.heard) >= {r["seq"] for r in self.made} - self.waived


TestUploads = Uploads.TestCase
TestUploads.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
