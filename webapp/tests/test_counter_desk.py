"""The counter: what a clerk finds and does, what needs a second person, and what the citizen sees of it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from mykey_core.identity.enrolment import Enrolment
from mykey_testkit.browsers import PageClient, citizen_client, register, staff_client
from mykey_testkit.hub import HubHarness, sign_challenge

EN = {"Accept-Language": "en", "Accept": "text/html"}
MYKEY_ID = "ABCD2345"
MOVED = {"act": "move-out", "ground": "register-notice", "on": "2026-03-31"}
_APPROVAL = re.compile(r"/counter/approvals/([0-9a-f-]{36})/")


def tap(browser: PageClient, persona: str, path: str = "/counter/look-up/card", **form: str) -> Any:
    """Let a citizen's card prove itself at the counter; the hub's answer."""
    challenge = browser.post_json("/counter/card/challenge", {}).get_json()
    return browser.post_json(path, {"id": challenge["id"], "token": sign_challenge(persona, challenge), **form})


def open_record(browser: PageClient, persona: str = "adult", purpose: str = "asked") -> str:
    """The address of the record that the card opens."""
    return str(tap(browser, persona, purpose=purpose).get_json()["next"])


def page(browser: PageClient, path: str) -> str:
    return browser.get(path, headers=EN).get_data(as_text=True)


def code(answer: Any) -> str:
    """The machine code on a page or in a problem document."""
    found = re.search(r"<code>([a-z_]+)</code>|\"code\": ?\"([a-z_]+)\"", answer.get_data(as_text=True))
    assert found is not None, answer.get_data(as_text=True)[:300]
    return found[1] or found[2]


def waiting(browser: PageClient) -> str:
    """The id of the request that waits."""
    found = _APPROVAL.search(page(browser, "/counter/approvals"))
    assert found is not None
    return found[1]


def decide(browser: PageClient, approval: str, decision: str = "approve") -> Any:
    return browser.post(f"/counter/approvals/{approval}/decide", {"decision": decision}, headers=EN)


@pytest.fixture
def clerk(library_hub: HubHarness) -> PageClient:
    """A clerk; the citizen with the card `adult` is known to the town."""
    register(library_hub, "adult")
    return staff_client(library_hub, "long-name", ["clerk"])


@pytest.fixture
def supervisor(library_hub: HubHarness) -> PageClient:
    """A supervisor beside the clerk."""
    return staff_client(library_hub, "next-generation", ["supervisor"])


def test_a_look_up_is_seen_by_the_citizen(library_hub: HubHarness, clerk: PageClient) -> None:
    """The record opens with its purpose, and the citizen's list says who looked and why, in their words."""
    where = open_record(clerk, purpose="card-lost")
    assert clerk.get(where).status_code == 200
    seen = page(citizen_client(library_hub, "adult"), "/my/accesses")
    assert "テスト職員" in seen
    assert "purpose: A lost card" in seen


def test_a_proof_at_the_counter_signs_nobody_in(clerk: PageClient) -> None:
    """What the citizen's card has signed for a look-up is no sign-in, and a sign-in's challenge is no look-up."""
    challenge = clerk.post_json("/counter/card/challenge", {}).get_json()
    body = {"id": challenge["id"], "token": sign_challenge("adult", challenge), "purpose": "asked"}
    assert code(clerk.post_json("/sign-in/card", body)) == "sign_in_expired"
    other = clerk.post_json("/sign-in/challenge", {"audience": "citizen"}).get_json()
    body = {"id": other["id"], "token": sign_challenge("adult", other), "purpose": "asked"}
    assert code(clerk.post_json("/counter/look-up/card", body)) == "sign_in_expired"


def test_a_record_is_open_for_one_clerk_and_a_while(library_hub: HubHarness, clerk: PageClient) -> None:
    """Another member of staff, a closed record and an old one: nothing is shown."""
    where = open_record(clerk)
    other = staff_client(library_hub, "next-generation", ["supervisor"])
    assert code(other.get(where, headers=EN)) == "counter_case_over"
    clerk.post(f"{where}/close")
    assert code(clerk.get(where, headers=EN)) == "counter_case_over"
    where = open_record(clerk)
    library_hub.clock.move(timedelta(minutes=15))
    assert code(clerk.get(where, headers=EN)) == "counter_case_over"


def test_only_clerks_look(library_hub: HubHarness, clerk: PageClient) -> None:
    """Auditors and administrators have no look-up; the auditor sees how often who has looked, and not at whom."""
    open_record(clerk)
    auditor = staff_client(library_hub, "next-generation", ["auditor"])
    assert code(auditor.get("/counter/look-up", headers=EN)) == "role_needed"
    assert code(tap_refused(auditor)) == "role_needed"
    shown = page(auditor, "/counter/look-ups")
    assert ">テスト職員</td>" in shown
    assert "The citizen&#39;s request" in shown
    assert ">テスト職員</td>" not in page(staff_client(library_hub, "renewed", ["clerk", "extra"]), "/counter/look-ups")


def tap_refused(browser: PageClient) -> Any:
    return browser.post_json("/counter/card/challenge", {})


def test_look_ups_are_limited(library_hub: HubHarness, clerk: PageClient) -> None:
    """Also those that find nobody, so that MyKey IDs cannot be tried out; all of them are counted."""
    for _ in range(60):
        answer = clerk.post("/counter/look-up", {"mykey_id": "ZZZZ9999", "purpose": "asked"})
        assert answer.location == "/counter/not-found?by=mykey-id"
    refused = clerk.post("/counter/look-up", {"mykey_id": "ZZZZ9999", "purpose": "asked"})
    assert (refused.status_code, code(refused)) == (429, "too_many_requests")
    assert len(library_hub.audit("counter.not_found")) == 60
    assert re.search(r'(<td[^>]* class="table__number">60</td>){2}', page(clerk, "/counter/look-ups"))


def test_the_citizen_reads_who_looked(library_hub: HubHarness, clerk: PageClient) -> None:
    """The look at the counter names the clerk once, the place and the purpose; “staff” is not said twice."""
    open_record(clerk, purpose="asked")
    name = "テスト職員"
    citizen = citizen_client(library_hub, "adult")
    assert f"Staff ({name}) looked at your record at the counter (purpose: " in page(citizen, "/my/accesses")
    japanese = citizen.get("/my/accesses?lang=ja").text
    assert f"{name}（職員）が、窓口であなたの記録を見ました（目的：" in japanese
    assert f"職員 {name}" not in japanese


def test_what_is_not_looked_up(library_hub: HubHarness, clerk: PageClient) -> None:
    """No purpose, one's own record, a revoked card, a name: nothing opens."""
    assert code(tap(clerk, "adult")) == "counter_purpose_unknown"
    assert code(tap(clerk, "long-name", purpose="asked")) == "counter_own_record"
    assert code(tap(clerk, "revoked", purpose="asked")) == "certificate_revoked"
    named = clerk.post("/counter/look-up", {"mykey_id": "見本 花子", "purpose": "asked"})
    assert named.location == "/counter/not-found?by=mykey-id"
    assert library_hub.audit("staff.looked_up") == []


def test_enrolling(library_hub: HubHarness, clerk: PageClient) -> None:
    """An unknown card, a document, a record; the same card is not enrolled twice."""
    assert tap(clerk, "renewed", purpose="asked").get_json()["next"] == "/counter/not-found?by=card"
    assert code(tap(clerk, "renewed", "/counter/enrol/card")) == "counter_document_unknown"
    made = tap(clerk, "renewed", "/counter/enrol/card", document="passport").get_json()["next"]
    assert "Enrolled" in page(clerk, made)
    assert code(tap(clerk, "renewed", "/counter/enrol/card", document="passport")) == "counter_card_known"
    assert "document: Passport" in page(citizen_client(library_hub, "renewed"), "/my/accesses")


def test_a_lost_card_is_held_by_one_and_released_by_two(
    library_hub: HubHarness, clerk: PageClient, supervisor: PageClient
) -> None:
    """Holding is immediate and ends sessions; taking it back waits for a supervisor."""
    citizen = citizen_client(library_hub, "adult")
    where = open_record(clerk, purpose="card-lost")
    clerk.post(f"{where}/lost")
    assert citizen.get("/my/").status_code == 303
    assert PageClient(library_hub).sign_in("adult").get_json()["code"] == "credential_held"
    clerk.post(f"{where}/ask", {"act": "card-found", "ground": "card-seen"})
    assert PageClient(library_hub).sign_in("adult").get_json()["code"] == "credential_held"
    decide(supervisor, waiting(supervisor))
    assert PageClient(library_hub).sign_in("adult").status_code == 200


def test_nobody_approves_their_own_request(library_hub: HubHarness, clerk: PageClient, supervisor: PageClient) -> None:
    """Not the requester, even as supervisor; not a clerk; and the database itself refuses such a row."""
    where = open_record(supervisor)
    supervisor.post(f"{where}/ask", {"act": "hold", "ground": "citizen-asked"})
    approval = waiting(supervisor)
    assert code(decide(supervisor, approval)) == "approval_by_another"
    assert code(decide(clerk, approval)) == "role_needed"
    assert library_hub.audit("identity.person_held") == []
    forged = text("UPDATE staff_approval SET state = 'approved', decided_by = requested_by")
    with pytest.raises(IntegrityError), library_hub.hub.database.writing() as session:
        session.execute(forged)
    decide(supervisor, approval, "decline")
    assert code(decide(staff_client(library_hub, "renewed", ["supervisor", "x-1"]), approval)) == "approval_over"


def test_a_request_says_what_it_rests_on(library_hub: HubHarness, clerk: PageClient, supervisor: PageClient) -> None:
    """Without a reason of that act there is no request; the supervisor reads reason and evidence, the log keeps it."""
    where = open_record(clerk)
    for ground in ("", "card-seen", "she is my aunt"):
        refused = clerk.post(f"{where}/ask", {"act": "hold", "ground": ground}, headers=EN)
        assert code(refused) == "counter_ground_unknown"
    clerk.post(f"{where}/ask", {"act": "hold", "ground": "family-asked"})
    shown = page(supervisor, "/counter/approvals")
    assert "The family asked, with a document" in shown
    assert "<dt>Found by</dt><dd>The card</dd>" in shown
    asked = library_hub.audit("counter.requested")
    assert [one.facts["ground"] for one in asked] == ["family-asked"]


def test_four_eyes_are_in_the_audit_and_seen(
    library_hub: HubHarness, clerk: PageClient, supervisor: PageClient
) -> None:
    """Request and approval name both people; the life event too; the citizen reads it when released."""
    where = open_record(clerk)
    for act in ("hold", "release"):
        wanted = {"act": act, "ground": "citizen-asked"}
        clerk.post(f"{where}/ask", wanted)
        assert code(clerk.post(f"{where}/ask", wanted, headers=EN)) == "approval_exists"
        decide(supervisor, waiting(supervisor))
    held = library_hub.audit("identity.person_held")[0].facts
    assert (held["actor"], held["approved_by"]) == ("staff:test-clerk", "staff:test-supervisor")
    assert len(library_hub.audit("counter.requested")) == len(library_hub.audit("counter.approved")) == 2
    assert "approved: Hold the person" in page(citizen_client(library_hub, "adult"), "/my/accesses")


def test_a_request_expires(library_hub: HubHarness, clerk: PageClient, supervisor: PageClient) -> None:
    """After eight hours nobody can approve it; it may be asked for again."""
    where = open_record(clerk)
    clerk.post(f"{where}/ask", MOVED)
    approval = waiting(supervisor)
    library_hub.clock.move(timedelta(hours=8))
    chief = staff_client(library_hub, "renewed", ["supervisor", "x-2"])
    assert code(decide(chief, approval)) == "approval_over"
    assert library_hub.audit("identity.moved_out") == []


def test_moving_out_has_its_date(library_hub: HubHarness, clerk: PageClient, supervisor: PageClient) -> None:
    """The civil date is asked for and kept; a wrong one is refused."""
    where = open_record(clerk, purpose="moved")
    assert code(clerk.post(f"{where}/ask", MOVED | {"on": "31/3"}, headers=EN)) == "counter_date_form"
    clerk.post(f"{where}/ask", MOVED)
    decide(supervisor, waiting(supervisor))
    with library_hub.hub.database.reading() as session:
        row = session.execute(text("SELECT effective_on FROM life_event WHERE kind = 'moved_out'")).scalar_one()
    assert str(row) == "2026-03-31"
    assert "Moved out" in page(clerk, where)


def test_a_renewed_card_is_linked_with_documents_and_two_people(
    library_hub: HubHarness, clerk: PageClient, supervisor: PageClient
) -> None:
    """Found by MyKey ID, asked with the new card, approved, completed with that card and no other."""
    link_mykey_id(library_hub, clerk)
    found = clerk.post("/counter/look-up", {"mykey_id": MYKEY_ID.lower(), "purpose": "renewal"})
    asked = tap(clerk, "renewed", f"{found.location}/renewal/card", document="two-documents")
    assert asked.get_json() == {"next": found.location}
    approval = waiting(supervisor)
    complete = f"/counter/approvals/{approval}/card"
    assert code(tap(clerk, "renewed", complete)) == "approval_over"
    decide(supervisor, approval)
    assert code(tap(clerk, "adult", complete)) == "approval_other_card"
    assert tap(clerk, "renewed", complete).get_json() == {"next": "/counter/approvals"}
    assert code(tap(clerk, "renewed", complete)) == "approval_over"
    renewed = library_hub.audit("identity.renewed")[0].facts
    assert (renewed["evidence"], renewed["approved_by"]) == ("STAFF_COUNTER", "staff:test-supervisor")
    assert PageClient(library_hub).sign_in("renewed").status_code == 200
    assert PageClient(library_hub).sign_in("adult").get_json()["code"] == "credential_replaced"


def link_mykey_id(hub: HubHarness, browser: PageClient) -> None:
    where = open_record(browser)
    assert browser.post(f"{where}/mykey-id", {"mykey_id": MYKEY_ID}).status_code == 303
    with hub.hub.database.reading() as session:
        assert Enrolment(hub.hub.people).people.find_mykey_id(session, MYKEY_ID, "portal") is not None


def test_an_entry_is_taken_back_by_two(library_hub: HubHarness, clerk: PageClient, supervisor: PageClient) -> None:
    """A hold that was a mistake is reversed, and everything is as before."""
    where = open_record(clerk)
    clerk.post(f"{where}/ask", {"act": "hold", "ground": "citizen-asked"})
    decide(supervisor, waiting(supervisor))
    event = re.search(r'<option value="([0-9a-f-]{36})">Held', page(clerk, where))
    assert event is not None
    clerk.post(f"{where}/ask", {"act": "reversal", "ground": "entry-wrong", "event": event[1]})
    decide(supervisor, waiting(supervisor))
    assert library_hub.audit("identity.reversed")[0].facts["reverses"] == event[1]
    assert PageClient(library_hub).sign_in("adult").status_code == 200


def test_a_message_reaches_the_citizen(library_hub: HubHarness, clerk: PageClient) -> None:
    """Title and text, escaped; an empty one is refused."""
    where = open_record(clerk)
    assert code(clerk.post(f"{where}/message", {"title": "", "text": "x"}, headers=EN)) == "counter_message_empty"
    clerk.post(f"{where}/message", {"title": "お知らせ", "text": "<b>本</b>", "language": "ja"})
    shown = page(citizen_client(library_hub, "adult"), "/my/messages")
    assert "お知らせ" in shown
    assert "&lt;b&gt;本&lt;/b&gt;" in shown


def test_staff_sign_out_everywhere(library_hub: HubHarness, clerk: PageClient) -> None:
    """All other browsers of the clerk are signed out, and this one stays."""
    other = PageClient(library_hub)
    other.sign_in("long-name", "staff")
    assert other.get("/counter/").status_code == 200
    clerk.post("/counter/devices/end-others")
    assert other.get("/counter/").status_code == 303
    assert clerk.get("/counter/").status_code == 200


def test_an_address_holds_nobody(library_hub: HubHarness, clerk: PageClient) -> None:
    """The address of a record is a random id: no pairwise id, no id of the person."""
    where = open_record(clerk)
    with library_hub.hub.database.reading() as session:
        persons = {str(row[0]) for row in session.execute(text("SELECT id FROM person"))}
    assert where.rsplit("/", 1)[1] not in persons | {one.replace("-", "") for one in persons}
    assert where != open_record(clerk)
