"""A queue that is carried to the hub as a file: recorded without it, taken once, and what is refused is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mykey_core.hub import open_hub
from mykey_core.settings import load_settings
from mykey_terminal.cli import terminal as terminal_command
from mykey_terminal.enrolment import StateDirectory
from mykey_terminal.queue import OfflineQueue
from mykey_web.cli import hub as hub_command
from mykey_web.demo import processes
from mykey_web.demo.cli import new_code
from mykey_web.demo.town import SELF_CHECK, Town, make_town

LOAN = {"act": "lend", "barcode": "A1000001", "patron_number": "10000017"}
UNKNOWN = {"act": "lend", "barcode": "A9999999", "patron_number": "10000017"}
RETURN = {"act": "return", "barcode": "A1000001"}


class Machine:
    """The self-check machine of the demo town, whose hub is away after its enrolment."""

    def __init__(self, folder: Path) -> None:
        port = processes.free_port()
        origin = f"http://127.0.0.1:{port}"
        self.town: Town = make_town(folder / "town", origin, datetime.now(UTC))
        self.state, self.file = folder / "terminal", folder / "queue.json"
        with processes.start_hub(self.town.config, port, folder / "log"):
            processes.enrol_terminal(origin, new_code(self.town, SELF_CHECK), self.state, folder / "log")

    def record(self, *payloads: dict[str, str]) -> None:
        directory = StateDirectory(self.state)
        enrolment, key = directory.load()
        with OfflineQueue(directory.queue, key, terminal_id=enrolment.terminal_id) as queue:
            for payload in payloads:
                queue.append(SELF_CHECK, payload)

    def export(self) -> dict[str, Any]:
        arguments = ["export-queue", "--state", str(self.state), str(self.file)]
        done = CliRunner().invoke(terminal_command, arguments)
        assert done.exit_code == 0, done.output
        written: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        return written

    def hub(self, *arguments: str) -> Any:
        first, *rest = arguments
        return CliRunner().invoke(hub_command, ["uploads", first, "--config", str(self.town.config), *rest])

    def take(self) -> dict[str, Any]:
        done = self.hub("import", str(self.file))
        assert done.exit_code == 0, done.output
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def loans(self) -> list[str]:
        hub = open_hub(load_settings(self.town.config))
        try:
            with hub.engine.connect() as connection:
                rows = connection.exec_driver_sql("SELECT barcode FROM library_loan ORDER BY barcode")
                return [row.barcode for row in rows]
        finally:
            hub.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("carried"))
    machine.record(LOAN, UNKNOWN)
    machine.export()
    return machine  # type: ignore[return-value] # nothing is left running


def test_recorded_offline_carried_and_taken_once(made: Machine) -> None:
    """The loan exists once, the refused record waits for the librarian, and the same file again changes nothing."""
    assert made.file.stat().st_mode & 0o777 == 0o600
    first = made.take()
    states = [(record["state"], record["code"]) for record in first["records"]]
    assert states == [("accepted", "library.lent"), ("quarantined", "library.item_unknown")]
    assert first["records"][0]["receipt"]["hash"]
    assert made.loans() == ["A1000001"]
    assert made.take() == first
    assert made.loans() == ["A1000001"]
    cases = json.loads(made.hub("list").stdout)
    assert [(case["kind"], case["code"], case["service"]) for case in cases] == [
        ("quarantined", "library.item_unknown", SELF_CHECK)
    ]
    assert made.hub("reject", cases[0]["terminal_id"], "2").output.strip() == "rejected"
    assert json.loads(made.hub("list").stdout) == []


def test_a_file_that_was_changed_or_is_none_is_refused(made: Machine) -> None:
    """A changed barcode breaks the signature; another form, another terminal and a clock ahead are said in words."""
    whole = json.loads(made.file.read_text(encoding="utf-8"))

    def imported(**changes: Any) -> str:
        made.file.write_text(json.dumps({**whole, **changes}), encoding="utf-8")
        done = made.hub("import", str(made.file))
        assert done.exit_code == 1, done.output
        return str(done.output)

    forged = json.loads(json.dumps(whole["records"]))
    forged[0]["payload"]["barcode"] = "A1000002"
    assert "upload_record_invalid" in imported(records=forged) or "hash" in imported(records=forged)
    assert "format" in imported(format="something-else")
    assert "does not accept" in imported(terminal_id="00000000-0000-7000-8000-000000000000")
    assert made.loans() in ([], ["A1000001"])
    made.file.write_text(json.dumps(whole), encoding="utf-8")


def test_days_on_the_way_are_no_wrong_clock(tmp_path: Path) -> None:
    """A return that was recorded and exported three days ago counts for its own day; a clock ahead is noticed."""
    machine = Machine(tmp_path)
    directory = StateDirectory(machine.state)
    enrolment, key = directory.load()
    ago = datetime.now(UTC) - timedelta(days=3)
    with OfflineQueue(directory.queue, key, terminal_id=enrolment.terminal_id, clock=lambda: ago) as queue:
        queue.append(SELF_CHECK, LOAN)
    written = machine.export()
    late = {**written, "wall_clock": ago.isoformat(), "monotonic_ms": written["monotonic_ms"]}
    machine.file.write_text(json.dumps(late), encoding="utf-8")
    taken = machine.take()["records"][0]
    assert (taken["state"], taken["code"]) == ("accepted", "library.lent")
    with OfflineQueue(directory.queue, key, terminal_id=enrolment.terminal_id) as queue:
        queue.append(SELF_CHECK, RETURN)
    ahead = machine.export()
    ahead["wall_clock"] = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    machine.file.write_text(json.dumps(ahead), encoding="utf-8")
    assert machine.take()["records"][-1]["state"] == "quarantined"
