"""Administration: lists with pages and filters, undoing a change, holding a campaign, what a new version asks for."""

from __future__ import annotations

import re
from datetime import timedelta
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from sqlalchemy import insert

from mykey_core.administration.members import end
from mykey_core.administration.paging import SIZE, page_of
from mykey_core.card_writing.campaigns.hold import is_held
from mykey_core.card_writing.campaigns.journal import FILE, Journal
from mykey_core.errors import Refusal
from mykey_core.outbox.events import emit
from mykey_core.portal.staff import StaffRegister
from mykey_core.settings import load_settings
from mykey_core.storage.tables import outbox, terminal
from mykey_core.terminals.tables import terminal_report
from mykey_testkit.browsers import PageClient, staff_client
from mykey_testkit.hub import MUNICIPALITY, HubHarness

EN = {"Accept": "text/html", "Accept-Language": "en"}


@pytest.fixture
def admin(library_hub: HubHarness) -> PageClient:
    """An administrator, signed in, in a town with a point."""
    library_hub.hub.terminals.define_service_point("desk", {"ja": "窓口", "en": "Desk"}, ["library-desk"])
    return staff_client(library_hub, "adult", ["administrator"])


def page(admin: PageClient, path: str) -> str:
    """The text of a page that must be there, in English."""
    answer = admin.get(f"/admin/{path}", headers=EN)
    assert answer.status_code == 200, answer.text[:1000]
    return answer.text


def digest_in(text: str) -> str:
    """The state that a difference was made for."""
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', text)
    assert found is not None
    return found[1]


def add_terminals(hub: HubHarness, count: int) -> None:
    """Terminals: the first is revoked, the second silent, all others were heard of just now."""
    now, ids = hub.clock(), [uuid4() for _ in range(count)]
    common = {"municipality": MUNICIPALITY, "service_point": "desk", "version": "1", "public_key": {}}
    rows = [
        {**common, "id": one, "name": f"gate {place:03}", "enrolled_at": now - timedelta(days=1),
         "state": "active" if place else "revoked"}
        for place, one in enumerate(ids)
    ]  # fmt: skip
    told = {"queue": {"pending": 7, "unsettled": 0, "last_seq": 9}, "reader": "ready", "problems": []}
    reports = [
        {"municipality": MUNICIPALITY, "terminal_id": one, "version": "2", "configuration": 1, "skew_ms": 65_000,
         "facts": told, "reported_at": now - timedelta(hours=5 if place == 1 else 0)}
        for place, one in enumerate(ids)
    ]  # fmt: skip
    with hub.hub.database.writing() as session:
        session.execute(insert(terminal), rows)
        session.execute(insert(terminal_report), reports)


def test_a_page_of_rows() -> None:
    """Pages are counted from one; a page that is not there is the nearest."""
    rows = list(range(2 * SIZE + 1))
    assert list(page_of(rows, 3).rows) == [2 * SIZE]
    assert page_of(rows, 99).number == page_of(rows, 3).last == 3
    assert page_of(rows, -4).first_row == 1
    assert (page_of([], 1).last, page_of([], 1).first_row) == (1, 0)


def test_terminals_a_page_at_a_time(library_hub: HubHarness, admin: PageClient) -> None:
    """Each terminal is on one page; filters by state, point and name find those they should."""
    add_terminals(library_hub, SIZE + 2)
    first, second = page(admin, "terminals"), page(admin, "terminals?page=2")
    assert "gate 001" in first
    assert f"gate {SIZE + 1:03}" in second
    assert "gate 001" not in second
    for state, found in (("revoked", "gate 000"), ("silent", "gate 001")):
        text = page(admin, f"terminals?state={state}&point=desk")
        assert re.findall(r"gate \d{3}", text) == [found]
    assert set(re.findall(r"gate \d{3}", page(admin, "terminals?text=gate%20017"))) == {"gate 017"}
    assert "Nothing was found" in page(admin, "terminals?point=nowhere")
    assert "Nothing was found" in page(admin, "terminals?text=%25")


def test_a_terminal_tells_how_it_is(library_hub: HubHarness, admin: PageClient) -> None:
    """Version, queue, clock and reader stand on its page, and the way to its records."""
    add_terminals(library_hub, 3)
    link = re.findall(r'href="(/admin/terminals/[0-9a-f-]{36})">gate 002', page(admin, "terminals"))
    text = page(admin, link[0].removeprefix("/admin/"))
    for said in ("1 min ahead", ">7<", ">2<", "Ready", "/admin/audit?term="):
        assert said in text


def test_staff_by_role_and_state(library_hub: HubHarness, admin: PageClient) -> None:
    """Filters narrow the list, and say how many there are."""
    with library_hub.hub.database.writing() as session:
        register = StaffRegister(MUNICIPALITY)
        for number in range(SIZE + 1):
            register.put(session, f"clerk-{number}", f"係 {number}", ["clerk"], at=library_hub.clock(), actor="staff:x")
        register.end(session, "clerk-7", at=library_hub.clock(), actor="staff:x")
    assert f"1 to {SIZE} of {SIZE + 2}" in page(admin, "members")
    assert "1 to 1 of 1" in page(admin, "members?state=ended&role=")
    assert "1 to 1 of 1" in page(admin, "members?role=administrator")
    assert "Cannot sign in yet" in page(admin, "members?text=clerk-50")


@pytest.mark.usefixtures("admin")
def test_two_administrators_cannot_end_each_other(library_hub: HubHarness) -> None:
    """Both press at the same moment: one of them is refused, whichever database it is."""
    staff_client(library_hub, "long-name", ["administrator", "clerk"])
    names = ["test-administrator", "test-administrator-clerk"]
    ready, outcomes = Barrier(2), []

    def end_the_other(own: str, other: str) -> None:
        ready.wait()
        try:
            with library_hub.hub.database.writing() as session:
                end(session, MUNICIPALITY, other, at=library_hub.clock(), actor=f"staff:{own}")
        except Refusal as refusal:
            outcomes.append(refusal.code)
        else:
            outcomes.append("ended")

    threads = [Thread(target=end_the_other, args=pair) for pair in (names, names[::-1])]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(outcomes) == ["ended", "last_administrator"]


def test_everything_that_was_given_up_is_tried_again(library_hub: HubHarness, admin: PageClient) -> None:
    """More than a page of it; after asking once more all are due, each with its own record."""
    with library_hub.hub.database.writing() as session:
        for _ in range(SIZE + 1):
            emit(session, MUNICIPALITY, library_hub.clock(), "x.y", subscribers=["library"], facts={})
        own = outbox.c.municipality == MUNICIPALITY
        session.execute(outbox.update().where(own).values(due_at=None, attempts=12))
    assert "Page 1 of 2" in page(admin, "jobs")
    assert f"Try {SIZE + 1} again?" in page(admin, "jobs/retry-all")
    assert admin.post("/admin/jobs/retry-all").status_code == 303
    assert "Page 1 of 2" not in page(admin, "jobs")
    assert len(library_hub.audit("admin.job_retried")) == SIZE + 1


def test_a_change_of_a_setting_is_undone(library_hub: HubHarness, admin: PageClient) -> None:
    """Undo shows the difference first; a value that was not there before goes away, one that was comes back."""
    path = library_hub.hub.settings.file
    assert path is not None
    original = path.read_text()
    for value in ("6", "7"):
        shown = admin.post("/admin/settings/sessions.staff_hours/preview", {"value": value}).text
        form = {"value": value, "digest": digest_in(shown)}
        assert admin.post("/admin/settings/sessions.staff_hours/write", form).status_code == 303
    newest, oldest = re.findall(r'href="/admin/(changes/[0-9a-f-]{36}/undo)"', page(admin, "settings"))
    text = page(admin, newest)
    assert "+staff_hours = 6" in text
    assert load_settings(path).sessions.staff_hours == 7
    form = {"value": "6", "digest": digest_in(text)}
    assert admin.post("/admin/settings/sessions.staff_hours/write", form).status_code == 303
    assert load_settings(path).sessions.staff_hours == 6
    text = page(admin, oldest)
    assert (
        admin.post("/admin/settings/sessions.staff_hours/write", {"value": "", "digest": digest_in(text)}).status_code
        == 303
    )
    assert "staff_hours" not in path.read_text()
    assert path.read_text().startswith(original)


def test_a_change_of_grants_is_undone(library_hub: HubHarness, admin: PageClient) -> None:
    """The grants of before are proposed, with what comes back in words."""
    path = library_hub.hub.settings.plugins_file
    before = path.read_text()
    wanted = {"grant": ["tap", "database"]}
    shown = admin.post("/admin/plugins/library/preview", wanted, headers=EN).text
    assert "This turns the plugin off" in shown
    assert admin.post("/admin/plugins/library/write", {**wanted, "digest": digest_in(shown)}).status_code == 303
    undo = re.findall(r'href="/admin/(changes/[0-9a-f-]{36}/undo)"', page(admin, "settings"))[0]
    followed = admin.get(f"/admin/{undo}", follow_redirects=True, headers=EN).text
    assert "Newly allowed" in followed
    assert "Keep data in tables of its own" not in followed
    grants = re.findall(r'name="grant" value="([^"]+)"', followed)
    again = {"enabled": "yes", "grant": grants, "digest": digest_in(followed)}
    assert admin.post("/admin/plugins/library/write", again).status_code == 303
    assert sorted(re.findall(r'"([a-z-]+)"', path.read_text())) == sorted(re.findall(r'"([a-z-]+)"', before))


def test_what_a_new_version_asks_for_is_told_in_words(library_hub: HubHarness, admin: PageClient) -> None:
    """The town has granted an older version's wishes: what has come is listed, and nothing is granted by itself."""
    path = library_hub.hub.settings.plugins_file
    path.write_text(path.read_text().replace('"offline", ', "").replace('"jobs", ', ""))
    text = page(admin, "plugins/library")
    assert "asks for 2 more than the town has granted" in text
    assert "Work at set times" in text
    assert "would change it" not in text
    assert "holds from the hub" in text


def test_a_campaign_is_held_and_goes_on(library_hub: HubHarness, admin: PageClient) -> None:
    """After asking once more no card is begun; whoever lets it go on and when stands in the audit."""
    folder = library_hub.hub.settings.campaigns_folder / "seniors"
    folder.mkdir(parents=True)
    Journal.create(folder, [], {"campaign": str(uuid4()), "cards": 0, "simulated": True}).close()
    assert (folder / FILE).is_file()
    assert "Hold the campaign" in page(admin, "campaigns/seniors/hold")
    assert not is_held(folder)
    assert admin.post("/admin/campaigns/seniors/hold", {"held": "yes"}).status_code == 303
    assert is_held(folder)
    assert "Let it go on" in page(admin, "campaigns/seniors")
    assert admin.post("/admin/campaigns/seniors/hold", {"held": "no"}).status_code == 303
    assert not is_held(folder)
    assert [one.facts["campaign"] for one in library_hub.audit("admin.campaign_held")] == ["seniors"]
    assert [one.facts["campaign"] for one in library_hub.audit("admin.campaign_released")] == ["seniors"]
    assert admin.post("/admin/campaigns/..%2Fseniors/hold", {"held": "yes"}).status_code == 404


def test_trust_says_what_happens_when_the_lists_end(admin: PageClient) -> None:
    """Each risk class has its line: until when, and what then; the chart has its table."""
    text = page(admin, "trust")
    for said in ("If no new list came from now on", "Every tap is refused as soon as the list ends", "chart__picture"):
        assert said in text


def test_what_is_left_out_stands_with_its_kind(library_hub: HubHarness, admin: PageClient) -> None:
    """Many silent terminals are three warnings, and their number stands with them, before what is well."""
    add_terminals(library_hub, SIZE)
    library_hub.clock.move(timedelta(minutes=10))
    shown = page(admin, "")
    warnings = re.findall(r'<li class="finding finding--(\w+)">(.*?)</li>', shown, re.DOTALL)
    more = [place for place, (_, words) in enumerate(warnings) if "more of this kind" in words]
    assert len(more) == 1
    assert warnings[more[0]][0] == "warning"
    assert f"and {SIZE - 4} more" in warnings[more[0]][1]
    assert '<th scope="col">Day</th>' in shown
