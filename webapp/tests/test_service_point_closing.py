"""Closing a service point: its terminals and codes end, its name stays in the records, and it can be opened again."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from joserfc.jwk import OKPKey
from sqlalchemy import insert

from mykey_core.audit.records import records_since
from mykey_core.terminals.errors import ServicePointUnknown, TerminalRefused
from mykey_core.terminals.registry import TerminalRegistry
from mykey_core.terminals.tables import terminal_report
from mykey_testkit.browsers import PageClient, staff_client
from mykey_testkit.hub import MUNICIPALITY, HubHarness
from mykey_web.cli import hub as hub_command

EN = {"Accept": "text/html", "Accept-Language": "en"}
POINT = "/admin/points/desk"


def device() -> dict[str, str]:
    """A new device key, public half."""
    key = OKPKey.generate_key("Ed25519").as_dict(private=False)
    return {name: str(key[name]) for name in ("kty", "crv", "x")}


def told(hub: HubHarness, event: str) -> list[dict[str, object]]:
    """The facts of all records of one event."""
    with hub.hub.database.reading() as session:
        found = records_since(session, MUNICIPALITY, hub.clock().replace(year=2000))
    return [dict(one.facts) for one in found if one.event == event]


def test_closing_ends_terminals_and_codes(library_hub: HubHarness) -> None:
    """Of two places one is closed: its terminal and its open code are refused, those of the other go on."""
    registry = library_hub.hub.terminals
    registry.define_service_point("gate", {"ja": "改札"}, ["library-desk"])
    here, there = library_hub.terminal(), registry.enrol(registry.new_code("gate"), device(), "gate", "1")
    code, other = registry.new_code("desk"), registry.new_code("gate")
    assert here.get("/services").status_code == 200

    assert registry.close_service_point("desk", actor="staff:somebody") == 1

    assert here.get("/services").status_code == 401
    with pytest.raises(TerminalRefused, match="enrolment_code_invalid"):
        registry.enrol(code, device(), "late", "1")
    assert registry.get(there.id) is not None
    assert registry.enrol(other, device(), "gate 2", "1").service_point == "gate"
    assert told(library_hub, "terminal.point_closed") == [{"service_point": "desk", "actor": "staff:somebody"}]
    revoked = [one["terminal"] for one in told(library_hub, "terminal.revoked")]
    assert revoked == [here.enrolment["terminal_id"]]


def test_a_closed_place_has_no_codes_until_it_is_open_again(library_hub: HubHarness) -> None:
    """It is none of the known places, cannot be closed twice, and its old terminals stay shut out."""
    registry = library_hub.hub.terminals
    registry.define_service_point("gate", {"ja": "改札"}, ["library-desk"])
    old = library_hub.terminal()
    registry.close_service_point("desk")
    for attempt in (registry.new_code, registry.close_service_point):
        with pytest.raises(ServicePointUnknown) as refused:
            attempt("desk")
        assert refused.value.known == ("gate",)
    registry.define_service_point("desk", {"ja": "窓口"}, ["library-desk"])
    assert registry.enrol(registry.new_code("desk"), device(), "new", "1").service_point == "desk"
    assert registry.get(UUID(old.enrolment["terminal_id"])) is None


def test_an_enrolment_at_the_same_moment_is_shut_out_too(
    library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that has used its code and is not committed yet does not slip through."""
    registry = library_hub.hub.terminals
    code, used, go = registry.new_code("desk"), threading.Event(), threading.Event()
    whole = TerminalRegistry._use_code

    def slowly(self: TerminalRegistry, *arguments: Any) -> str:
        point = whole(self, *arguments)
        used.set()
        assert go.wait(20)
        return point

    monkeypatch.setattr(TerminalRegistry, "_use_code", slowly)
    with ThreadPoolExecutor(2) as pool:
        enrolling = pool.submit(registry.enrol, code, device(), "fast", "1")
        assert used.wait(20)
        closing = pool.submit(registry.close_service_point, "desk")
        time.sleep(0.2)
        assert not closing.done()
        go.set()
        assert closing.result(20) == 1
        error = enrolling.exception(20)
    assert error is None or isinstance(error, TerminalRefused)  # it may hear of its end at once
    assert len(told(library_hub, "terminal.enrolled")) == len(told(library_hub, "terminal.revoked")) == 1


@pytest.fixture
def admin(library_hub: HubHarness) -> PageClient:
    """An administrator, signed in."""
    return staff_client(library_hub, "adult", ["administrator"])


def test_the_page_asks_once_more_and_names_what_is_not_here_yet(library_hub: HubHarness, admin: PageClient) -> None:
    """The number of terminals, and which of them told of records in its queue; the list has closed ones apart."""
    terminal = library_hub.terminal()
    report = {"municipality": MUNICIPALITY, "terminal_id": UUID(terminal.enrolment["terminal_id"]), "version": "1"}
    report |= {"configuration": 1, "skew_ms": 0, "reported_at": library_hub.clock()}
    facts = {"queue": {"pending": 7, "unsettled": 0, "last_seq": 9}, "reader": "ready", "problems": []}
    with library_hub.hub.database.writing() as session:
        session.execute(insert(terminal_report), [{**report, "facts": facts}])

    assert "/points/desk/close" in admin.get(POINT, headers=EN).text
    asked = admin.get(f"{POINT}/close", headers=EN).text
    assert "refused within two seconds: 1." in asked
    assert re.search(r"test terminal</a>: 7 waiting", asked)
    assert terminal.get("/services").status_code == 200
    assert admin.post(f"{POINT}/close").status_code == 303
    assert terminal.get("/services").status_code == 401
    assert told(library_hub, "terminal.point_closed")[-1]["actor"] == "staff:test-administrator"

    assert "/points/desk" not in admin.get("/admin/points?text=desk", headers=EN).text
    assert "Closed service points: 1" in admin.get("/admin/points", headers=EN).text
    assert "Open again" in admin.get("/admin/points?state=closed", headers=EN).text
    for answer in (admin.get(f"{POINT}/close"), admin.post(f"{POINT}/close"), admin.post(f"{POINT}/code")):
        assert answer.status_code == 404
    assert "it is open again" in admin.get(POINT, headers=EN).text
    assert (
        admin.post("/admin/points", {"name": "desk", "title-ja": "窓口", "service": "library-desk"}).status_code == 303
    )
    assert "/points/desk" in admin.get("/admin/points?text=desk", headers=EN).text


def test_by_command(library_hub: HubHarness) -> None:
    """`mykey hub close-service-point` says how many terminals are shut out, or which places there are."""
    library_hub.terminal()
    arguments = ["close-service-point", "--config", str(library_hub.config), "desk"]
    done = CliRunner().invoke(hub_command, arguments)
    assert (done.exit_code, done.output) == (0, "closed desk; terminals that are shut out: 1\n")
    again = CliRunner().invoke(hub_command, arguments)
    assert again.exit_code == 1
    assert "no service point 'desk'" in again.output
