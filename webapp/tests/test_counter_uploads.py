"""Queues carried to the counter as files: taken in by a clerk, seen record by record, decided by a supervisor."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mykey_testkit.browsers import PageClient, staff_client
from mykey_testkit.hub import HubHarness
from mykey_testkit.uploads import Cab, Office

EN = {"Accept-Language": "en", "Accept": "text/html"}
SERVICE = "library-self-check"
LOAN = {"act": "lend", "barcode": "A1000001", "patron_number": "10000017"}
UNKNOWN = {"act": "lend", "barcode": "A9999999", "patron_number": "10000017"}
PAGE = "/counter/uploads"
embedded = pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)
"""What the database has no part in is tried on one."""


class Machine(Cab):
    """A self-check machine without a network, and the file that somebody carries from it."""

    @property
    def records(self) -> str:
        """The page of its records."""
        return f"{PAGE}/{self.terminal.id}"

    def file(self, *records: dict[str, Any], **changes: Any) -> bytes:
        """What `mykey terminal export-queue` writes."""
        whole: dict[str, Any] = {
            "format": "mykey-offline-queue-1",
            "terminal_id": str(self.terminal.id),
            "boot_id": self.boot_id,
        }
        whole |= {"wall_clock": self._wall(), "monotonic_ms": self.uptime_ms, "records": records}
        return json.dumps({**whole, **changes}).encode()

    def lend(self, payload: dict[str, str]) -> dict[str, Any]:
        """The next record."""
        return self.make(payload, SERVICE)


@pytest.fixture
def machine(library_hub: HubHarness) -> Machine:
    """Enrolled while there was a network; its books and readers are known to the library."""
    register = library_hub.hub.terminals
    register.define_service_point("shelf", {"ja": "自動貸出機", "en": "Self-check"}, [SERVICE])
    key = Ed25519PrivateKey.generate()
    public = Cab.public_jwk(key)
    terminal = register.enrol(register.new_code("shelf"), public, "shelf-1", "1")
    office = cast(Office, SimpleNamespace(register=library_hub))
    return Machine(office, terminal, key)


@pytest.fixture
def clerk(library_hub: HubHarness) -> PageClient:
    return staff_client(library_hub, "long-name", ["clerk"])


@pytest.fixture
def supervisor(library_hub: HubHarness) -> PageClient:
    return staff_client(library_hub, "next-generation", ["supervisor"])


def take(browser: PageClient, content: bytes) -> Any:
    """Choose the file and send the form."""
    return browser.post(PAGE, {"file": (io.BytesIO(content), "queue.json")}, headers=EN)


def page(browser: PageClient, path: str) -> str:
    return browser.get(path, headers=EN).get_data(as_text=True)


def code(answer: Any) -> str:
    found = re.search(r"<code>([a-z_]+)</code>", answer.get_data(as_text=True))
    assert found is not None, answer.get_data(as_text=True)[:300]
    return found[1]


def states(shown: str) -> list[str]:
    """The column with the results."""
    return re.findall(r'<td[^>]*><span class="tag[^"]*">([^<]+)</span>', shown)


def test_a_file_is_taken_in_once_and_seen_record_by_record(
    library_hub: HubHarness, machine: Machine, clerk: PageClient
) -> None:
    """One done, one set aside; the same file again changes nothing; nothing of what the records hold is shown."""
    assert "No terminal has sent records yet" in page(clerk, PAGE)
    content = machine.file(machine.lend(LOAN), machine.lend(UNKNOWN))
    done = take(clerk, content)
    assert done.location == f"{machine.records}?first=1&last=2"
    shown = page(clerk, done.location)
    assert states(shown) == ["Done", "Set aside"]
    assert "library.item_unknown" in shown
    assert not any(secret in shown for secret in ("A1000001", "A9999999", "10000017"))
    assert "1 to look at" in page(clerk, PAGE)
    assert take(clerk, content).location == done.location
    assert [one.facts["state"] for one in library_hub.audit("upload.record")] == ["accepted", "quarantined"]
    assert [one.facts["records"] for one in library_hub.audit("counter.queue_taken")] == [2, 2]


@embedded
def test_only_a_supervisor_decides(
    library_hub: HubHarness, machine: Machine, clerk: PageClient, supervisor: PageClient
) -> None:
    """A clerk sees that somebody has to; the supervisor leaves a record without effect, and it is theirs by name."""
    take(clerk, machine.file(machine.lend(UNKNOWN)))
    assert "A supervisor decides" in page(clerk, machine.records)
    form = {"seq": "1", "decision": "reject"}
    assert code(clerk.post(f"{machine.records}/decide", form, headers=EN)) == "role_needed"
    assert supervisor.post(f"{machine.records}/decide", form).location == machine.records
    shown = page(supervisor, machine.records)
    assert states(shown) == ["Not done"]
    assert "テスト職員" in shown
    assert code(supervisor.post(f"{machine.records}/decide", form, headers=EN)) == "upload_not_quarantined"
    assert library_hub.audit("upload.decided")[0].facts["actor"] == "staff:test-supervisor"


@embedded
def test_a_wrong_clock_is_put_right(machine: Machine, supervisor: PageClient) -> None:
    """Two days fast: set aside, the difference is shown, and the record counts with the correction."""
    machine.skew = timedelta(days=2)
    take(supervisor, machine.file(machine.lend(LOAN)))
    shown = page(supervisor, machine.records)
    assert "The terminal&#39;s clock was far off" in shown
    assert "2880" in shown
    supervisor.post(f"{machine.records}/decide", {"seq": "1", "decision": "release", "minutes": "2880"})
    assert states(page(supervisor, machine.records)) == ["Done"]


def test_a_record_that_is_missing(machine: Machine, clerk: PageClient, supervisor: PageClient) -> None:
    """The second without the first waits; given up, the second counts; another gap cannot be given up."""
    machine.lend(UNKNOWN)
    take(clerk, machine.file(machine.lend(LOAN)))
    assert states(page(clerk, machine.records)) == ["Waits for an earlier one"]
    assert "Missing numbers" in page(clerk, machine.records)
    wrong = {"first": "1", "last": "2"}
    assert code(supervisor.post(f"{machine.records}/waive", wrong, headers=EN)) == "upload_no_gap"
    assert code(clerk.post(f"{machine.records}/waive", wrong, headers=EN)) == "role_needed"
    supervisor.post(f"{machine.records}/waive", {"first": "1", "last": "1"})
    assert states(page(supervisor, machine.records)) == ["Done"]


def test_two_histories_of_one_terminal(library_hub: HubHarness, machine: Machine, clerk: PageClient) -> None:
    """A copied disk: the upload stops at the record, says what to do, and the evidence stays on the page."""
    copied = cast(Machine, machine.copy())
    take(clerk, machine.file(machine.lend(LOAN)))
    stopped = take(clerk, copied.file(copied.lend(UNKNOWN)))
    assert stopped.status_code == 409
    assert "Taking in stopped at record 1" in stopped.get_data(as_text=True)
    assert "Same number, other content" in page(clerk, machine.records)
    assert len(library_hub.audit("upload.conflict")) == 1


@embedded
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"format": "mykey-offline-queue-9"}, "queue_file_form"),
        ({"terminal_id": "00000000-0000-7000-8000-000000000000"}, "queue_file_terminal"),
        ({"records": [{"seq": 1}]}, "queue_file_form"),
    ],
)
def test_what_is_no_queue_of_ours(machine: Machine, clerk: PageClient, changes: Any, expected: str) -> None:
    """Another form, another town's terminal, records without their parts: said in words, nothing taken in."""
    assert code(take(clerk, machine.file(machine.lend(LOAN), **changes))) == expected
    assert "No terminal has sent records yet" in page(clerk, PAGE)


@embedded
def test_how_large_a_file_may_be(
    library_hub: HubHarness, machine: Machine, clerk: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the hub's limit for a member of staff, up to the page's own; for nobody else, and on no other page."""
    records = [machine.lend(LOAN if not number else UNKNOWN) for number in range(120)]
    content = machine.file(*records)
    assert len(content) > 64 * 1024
    assert take(clerk, content).status_code == 303
    monkeypatch.setattr(library_hub.app.view_functions["counter.take_upload"], "mykey_longest_file", 300 * 1024)
    assert code(take(clerk, b" " * 301 * 1024)) == "body_too_large"
    stranger = PageClient(library_hub)
    assert take(stranger, content).status_code == 413
    assert clerk.post("/counter/look-up", {"mykey_id": "A" * len(content), "purpose": "asked"}).status_code == 413


@embedded
def test_a_forged_record(machine: Machine, clerk: PageClient) -> None:
    """A barcode that somebody changed on the way breaks the signature."""
    forged = machine.lend(LOAN)
    forged["payload"] = {**LOAN, "barcode": "A1000002"}
    refused = take(clerk, machine.file(forged))
    assert (refused.status_code, code(refused)) == (422, "upload_record_invalid")
