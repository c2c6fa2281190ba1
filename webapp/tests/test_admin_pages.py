"""Administration: every page in Japanese and English, every act in the audit, and what is refused."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import subprocess

import pytest
from cryptography import x509
from sqlalchemy import text, update
from werkzeug.test import TestResponse

from mykey_core.audit.records import records_since
from mykey_core.audit.sealer import Sealer
from mykey_core.outbox.events import emit
from mykey_core.plugin_kit.quality import RULES
from mykey_core.portal.staff import StaffRegister
from mykey_core.settings import load_settings
from mykey_core.storage.engine import open_engine
from mykey_core.storage.tables import outbox
from mykey_testkit.browsers import PageClient, citizen_client, register, staff_client
from mykey_testkit.hub import MUNICIPALITY, HubHarness
from mykey_web.admin.frame import catalogue

EN = {"Accept": "text/html", "Accept-Language": "en"}
PAGES = (
    "", "plugins", "plugins/library", "plugins/taxi", "terminals", "terminals?state=silent&point=desk&text=no",
    "points", "points/new", "points/desk", "points/desk/close", "points?state=closed",
    "members", "members?role=clerk&text=x", "members/new",
    "members/test-administrator", "members/test-administrator/end", "trust", "campaigns", "audit",
    "audit?event=terminal.&term=desk", "jobs", "jobs/retry-all", "settings", "settings/sessions.staff_hours",
    "settings/jobs.in_server",
)  # fmt: skip


@pytest.fixture
def admin(library_hub: HubHarness) -> PageClient:
    """An administrator, signed in, in a town with a point and a terminal."""
    library_hub.terminal()
    library_hub.hub.terminals.define_service_point("desk", {"ja": "窓口"}, ["library-desk"])
    return staff_client(library_hub, "adult", ["administrator"])


def events(hub: HubHarness, name: str) -> list[dict[str, object]]:
    """The facts of all records of one event."""
    with hub.hub.database.reading() as session:
        found = records_since(session, MUNICIPALITY, hub.clock().replace(year=2000))
    return [dict(one.facts) for one in found if one.event == name]


def services_of(hub: HubHarness) -> list[str]:
    """The names of all services of active plugins."""
    manifests = [plugin.context.manifest for plugin in hub.hub.plugins.plugins.values()]
    return [service.name for manifest in manifests for service in manifest.services]


def shown(answer: TestResponse) -> str:
    """The text of a page that must be there."""
    assert answer.status_code == 200, answer.text[:2000]
    return answer.text


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_admin_page_is_worded(admin: PageClient, language: str) -> None:
    """No key without wording reaches a page."""
    admin.get(f"/admin/?lang={language}")
    for name in PAGES:
        page = shown(admin.get(f"/admin/{name}"))
        assert f'<html lang="{language}">' in page
        assert re.search(r">\s*(admin|frame|check|setting)\.[a-z_.]+\s*<", page) is None, name


@pytest.mark.parametrize("path", ["/admin/", "/admin/settings", "/admin/audit"])
def test_only_administrators_come_in(library_hub: HubHarness, path: str) -> None:
    """A citizen is led to the staff's door, a clerk is told which role is needed."""
    assert citizen_client(library_hub, "adult").get(path).status_code == 303
    assert staff_client(library_hub, "long-name", ["clerk"]).get(path).status_code == 403


def test_a_clerk_can_do_nothing_either(library_hub: HubHarness) -> None:
    """The role is looked at before a form is."""
    clerk = staff_client(library_hub, "long-name", ["clerk"])
    assert clerk.post("/admin/members", {"name": "me", "title": "x", "role": "administrator"}).status_code == 403


def test_a_setting_is_written_after_its_difference(library_hub: HubHarness, admin: PageClient) -> None:
    """Preview shows the difference and writes nothing; then the file, the history and the audit have it."""
    path = library_hub.hub.settings.file
    assert path is not None
    before, mode = path.read_text(), stat.S_IMODE(path.stat().st_mode)
    page = shown(admin.post("/admin/settings/sessions.staff_hours/preview", {"value": "6"}, headers=EN))
    assert "+staff_hours = 6" in page
    assert path.read_text() == before
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert digest is not None
    written = {"value": "6", "digest": digest[1]}
    assert admin.post("/admin/settings/sessions.staff_hours/write", written).status_code == 303
    assert load_settings(path).sessions.staff_hours == 6
    assert path.read_text().startswith(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert "+staff_hours = 6" in shown(admin.get("/admin/settings"))
    (record,) = events(library_hub, "admin.settings_changed")
    assert record["member"] == "sessions.staff_hours"
    assert record["actor"] == "staff:test-administrator"


def test_a_file_that_changed_meanwhile_is_not_overwritten(library_hub: HubHarness, admin: PageClient) -> None:
    """What somebody wrote by hand between preview and writing stays, and the page says so afterwards."""
    path = library_hub.hub.settings.file
    assert path is not None
    page = admin.post("/admin/settings/sessions.staff_hours/preview", {"value": "6"}).text
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert digest is not None
    path.write_text("# by hand\n" + path.read_text())
    written = {"value": "6", "digest": digest[1]}
    refused = admin.post("/admin/settings/sessions.staff_hours/write", written)
    assert refused.get_json()["code"] == "configuration_changed_meanwhile"
    assert "staff_hours" not in path.read_text()


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("sessions.staff_hours", "99", "setting_invalid"),
        ("sessions.staff_hours", "six", "setting_invalid"),
        ("jobs.in_server", "maybe", "setting_invalid"),
        ("origin", "https://evil.example", "setting_unknown"),
        ("show_evidence", "true", "setting_unknown"),
        ("revocation.sources.none.type", "none", "setting_unknown"),
    ],
)
def test_settings_that_pages_do_not_take(admin: PageClient, name: str, value: str, code: str) -> None:
    """Values out of range, and members that open a door, are refused."""
    assert admin.post(f"/admin/settings/{name}/preview", {"value": value}).get_json()["code"] == code


def test_a_setting_of_the_environment_is_not_changed_on_a_page(
    admin: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change in the file would have no effect: the page says so, and where it is changed."""
    monkeypatch.setenv("MYKEY_SESSIONS__STAFF_HOURS", "6")
    answer = admin.post("/admin/settings/sessions.staff_hours/preview", {"value": "7"})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "setting_by_environment")


def test_grants_are_taken_away_after_the_difference(library_hub: HubHarness, admin: PageClient) -> None:
    """The difference shows the grant that goes; comments of the file stay; the audit names the plugin."""
    path = library_hub.hub.settings.plugins_file
    path.write_text("# by hand\n" + path.read_text())
    wanted = {"enabled": "yes", "grant": ["tap", "database"]}
    page = shown(admin.post("/admin/plugins/library/preview", wanted, headers=EN))
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert digest is not None
    assert admin.post("/admin/plugins/library/write", {**wanted, "digest": digest[1]}).status_code == 303
    after = path.read_text()
    assert after.startswith("# by hand\n")
    assert 'grants = ["database", "tap"]' in after
    assert events(library_hub, "admin.plugin_changed")[0]["plugin"] == "library"
    assert "Missing" in shown(admin.get("/admin/plugins/library", headers=EN))


def test_a_grant_that_nobody_asked_for_cannot_be_given(library_hub: HubHarness, admin: PageClient) -> None:
    """A forged form gives a plugin nothing that its manifest does not ask for."""
    page = admin.post("/admin/plugins/library/preview", {"enabled": "yes", "grant": ["tap", "attribute:address"]}).text
    assert "attribute:address" not in page
    assert "attribute:address" not in library_hub.hub.settings.plugins_file.read_text()


def test_a_lost_terminal_is_shut_out_at_once(library_hub: HubHarness, admin: PageClient) -> None:
    """After the confirmation its token is worth nothing, and the record says who did it."""
    terminal = library_hub.terminal()
    assert terminal.get("/services").status_code == 200
    path = f"/admin/terminals/{terminal.enrolment['terminal_id']}/revoke"
    assert "cannot be undone" in shown(admin.get(path, headers=EN))
    assert terminal.get("/services").status_code == 200
    assert admin.post(path).status_code == 303
    assert terminal.get("/services").status_code == 401
    assert events(library_hub, "terminal.revoked")[-1]["actor"] == "staff:test-administrator"


def test_a_point_and_its_code(library_hub: HubHarness, admin: PageClient) -> None:
    """A new point with its code enrols a terminal; the code stands in no record."""
    form = {"name": "gate-2", "title-ja": "改札2", "service": "library-desk"}
    assert admin.post("/admin/points", form).status_code == 303
    assert events(library_hub, "terminal.point_defined")[-1]["actor"] == "staff:test-administrator"
    page = shown(admin.post("/admin/points/gate-2/code"))
    code = re.search(r"<code>([A-Z0-9]{16})</code>", page)
    assert code is not None
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    body = {"code": code[1], "public_key": key, "name": "gate", "version": "1"}
    enrolled = library_hub.app.test_client().post("/api/v1/terminals/enrolments", json=body)
    assert enrolled.status_code == 201
    with library_hub.hub.database.reading() as session:
        records = records_since(session, MUNICIPALITY, library_hub.clock().replace(year=2000))
    assert code[1] not in json.dumps([one.as_json() for one in records])


def test_services_are_taken_away_after_asking_once_more(library_hub: HubHarness, admin: PageClient) -> None:
    """The first press names what goes, and changes nothing; the second does it."""
    offered = sorted(services_of(library_hub))[:2]
    assert len(offered) == 2
    point: dict[str, object] = {"name": "desk", "title-ja": "窓口", "service": offered}
    assert admin.post("/admin/points", point).status_code == 303
    fewer = {**point, "service": offered[:1]}
    assert offered[1] in shown(admin.post("/admin/points", fewer, headers=EN))
    assert events(library_hub, "terminal.point_defined")[-1]["services"] == offered
    assert admin.post("/admin/points", {**fewer, "confirmed": "yes"}).status_code == 303
    assert events(library_hub, "terminal.point_defined")[-1]["services"] == offered[:1]


@pytest.mark.parametrize("form", [{"name": "Bad Name"}, {"service": "no-such"}, {"title-ja": ""}])
def test_a_point_that_is_not_complete(admin: PageClient, form: dict[str, str]) -> None:
    """Each part of the form is checked by the hub, not by the browser alone."""
    whole = {"name": "gate-2", "title-ja": "改札2", "service": "library-desk"}
    assert admin.post("/admin/points", {**whole, **form}).get_json()["code"] == "service_point_form"


def test_the_last_administrator_stays(library_hub: HubHarness, admin: PageClient) -> None:
    """Neither ending nor a change of roles takes the last administrator away; a second one makes it possible."""
    demoted = {"name": "test-administrator", "title": "x", "role": "clerk"}
    second = {"name": "sato", "title": "佐藤", "role": "administrator", "confirmed": "yes"}
    for _ in range(2):  # a second one who cannot sign in is none
        assert admin.post("/admin/members/test-administrator/end").get_json()["code"] == "last_administrator"
        assert admin.post("/admin/members", demoted).get_json()["code"] == "last_administrator"
        assert admin.post("/admin/members", second).status_code == 303
    code = re.search(r"<code>([A-Z0-9]{12})</code>", shown(admin.post("/admin/members/sato/invite")))
    assert code is not None
    register(library_hub, "long-name")
    assert PageClient(library_hub).sign_in("long-name", "staff", code[1]).status_code == 200
    assert admin.post("/admin/members", demoted).status_code == 303
    assert admin.get("/admin/").status_code == 403


def test_an_administrator_is_made_after_asking_once_more(library_hub: HubHarness, admin: PageClient) -> None:
    """The first press shows what the role may do and changes nothing."""
    wanted = {"name": "sato", "title": "佐藤", "role": "administrator"}
    assert "Make 佐藤 an administrator?" in shown(admin.post("/admin/members", wanted, headers=EN))
    with library_hub.hub.database.reading() as session:
        assert StaffRegister(MUNICIPALITY).get(session, "sato") is None


def test_somebody_whose_access_ends_is_out_at_once(library_hub: HubHarness, admin: PageClient) -> None:
    """Ending a clerk's access ends the running session."""
    clerk = staff_client(library_hub, "long-name", ["clerk"])
    assert clerk.get("/counter/").status_code == 200
    assert admin.post("/admin/members/test-clerk/end").status_code == 303
    assert clerk.get("/counter/").status_code == 303


def test_an_invitation_links_a_card(library_hub: HubHarness, admin: PageClient) -> None:
    """The code on the page lets a new clerk in."""
    admin.post("/admin/members", {"name": "sato", "title": "佐藤", "role": "clerk"})
    page = shown(admin.post("/admin/members/sato/invite"))
    code = re.search(r"<code>([A-Z0-9]{12})</code>", page)
    assert code is not None
    browser = PageClient(library_hub)
    register(library_hub, "long-name")
    assert browser.sign_in("long-name", "staff", code[1]).status_code == 200
    with library_hub.hub.database.reading() as session:
        known = StaffRegister(MUNICIPALITY).get(session, "sato")
    assert known is not None
    assert known.person_id is not None


def test_a_search_finds_shortens_and_is_recorded(library_hub: HubHarness, admin: PageClient) -> None:
    """Pairwise ids are shortened, a search by one is refused, and the search stands in the audit."""
    library_hub.terminal().tap("adult", "library-desk", "link", patron_number="10000017")
    subject = events(library_hub, "tap.done")[-1]["subject"]
    page = shown(admin.get("/admin/audit?event=tap.", headers=EN))
    assert "tap.done" in page
    assert str(subject) not in page
    assert f"{str(subject)[:6]}…" in page
    assert "cannot be searched" in shown(admin.get(f"/admin/audit?term={subject}", headers=EN))
    assert events(library_hub, "admin.audit_searched")[0]["filters"] == ["event"]


def test_a_search_by_actor(admin: PageClient) -> None:
    """Only what that member did is found, however much else there is."""
    admin.post("/admin/points", {"name": "gate-3", "title-ja": "改札3", "service": "library-desk"})
    page = shown(admin.get("/admin/audit?actor=staff:test-administrator", headers=EN))
    assert "terminal.point_defined</code>" in page
    assert "terminal.enrolled</code>" not in page
    assert "Nothing was found" in shown(admin.get("/admin/audit?actor=staff:nobody", headers=EN))


@pytest.mark.parametrize("sealed", [True, False])
def test_others_of_the_same_pseudonym(library_hub: HubHarness, admin: PageClient, *, sealed: bool) -> None:
    """By one of the records the others are found, sealed or not, and the person sees that somebody searched."""
    terminal = library_hub.terminal()
    terminal.tap("adult", "library-desk", "link", patron_number="10000017")
    terminal.tap("adult", "library-desk", "open")
    terminal.tap("long-name", "library-desk", "link", patron_number="10000025")
    if sealed:
        Sealer(library_hub.hub.database, MUNICIPALITY, library_hub.clock).seal(sweep=True)
    page = shown(admin.get("/admin/audit?event=tap.done", headers=EN))
    record = re.findall(r"same_as=([0-9a-f-]{36})", page)[-1]
    subject = str(events(library_hub, "tap.done")[0]["subject"])
    found = shown(admin.get(f"/admin/audit?same_as={record}&event=tap.", headers=EN))
    assert found.count("tap.done</code>") == 2
    assert subject not in found
    assert events(library_hub, "admin.audit_searched")[-1]["subject"] == subject
    citizen = citizen_client(library_hub, "adult")
    assert "あなたの仮名の記録を検索しました" in shown(citizen.get("/my/accesses"))


def test_verification_says_that_the_log_is_intact(library_hub: HubHarness, admin: PageClient) -> None:
    """And what it looked at stands in the audit; a text that is no checkpoint of this log is refused."""
    Sealer(library_hub.hub.database, MUNICIPALITY, library_hub.clock).seal(sweep=True)
    assert "Intact" in shown(admin.post("/admin/audit/verify", {"checkpoint": ""}, headers=EN))
    assert events(library_hub, "admin.audit_verified")[0]["intact"] is True
    refused = admin.post("/admin/audit/verify", {"checkpoint": "no checkpoint"})
    assert refused.get_json()["code"] == "checkpoint_invalid"


def test_verification_finds_a_record_that_was_edited(library_hub: HubHarness, admin: PageClient) -> None:
    """Somebody who owns the tables takes the wall down and edits: the page says that the log is not intact."""
    Sealer(library_hub.hub.database, MUNICIPALITY, library_hub.clock).seal(sweep=True)
    owner = open_engine(library_hub.hub.settings.database_owner_url or library_hub.hub.settings.database_url)
    with owner.begin() as connection:
        if owner.dialect.name == "sqlite":
            names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in names:
                connection.execute(text(f'DROP TRIGGER "{name}"'))
        else:
            connection.execute(text("ALTER TABLE audit_record DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE audit_record SET event = 'tap.done' WHERE event = 'terminal.enrolled'"))
    owner.dispose()
    page = shown(admin.post("/admin/audit/verify", {"checkpoint": ""}, headers=EN))
    assert "not intact" in page
    assert "A record was edited" in page


def test_what_was_given_up_is_tried_again(library_hub: HubHarness, admin: PageClient) -> None:
    """The page lists it without what it says; the button makes it due; a second press is refused."""
    with library_hub.hub.database.writing() as session:
        event = emit(session, MUNICIPALITY, library_hub.clock(), "x.y", subscribers=["library"], facts={"a": "canary"})
        own = outbox.c.municipality == MUNICIPALITY
        session.execute(update(outbox).where(own).values(due_at=None, attempts=12))
    page = shown(admin.get("/admin/jobs"))
    assert "x.y" in page
    assert "canary" not in page
    form = {"event": str(event), "subscriber": "library"}
    assert admin.post("/admin/jobs/retry", form).status_code == 303
    assert admin.post("/admin/jobs/retry", form).get_json()["code"] == "job_not_given_up"
    assert events(library_hub, "admin.job_retried")[0]["event"] == str(event)


def test_every_quality_rule_is_worded() -> None:
    """A rule that is added to the quality list is noticed here."""
    words = catalogue()
    assert [rule for rule in RULES if not words.has(f"admin.rule.{rule}")] == []


def test_a_card_counter_and_a_gate_are_made_in_the_browser(library_hub: HubHarness, admin: PageClient) -> None:
    """What the hub itself does with cards is offered in words beside the plugins' services, and can be chosen."""
    assert "Card counter (write, move and check cards)" in shown(admin.get("/admin/points/new", headers=EN))
    form = {"name": "cards", "title-ja": "カード窓口", "service": ["card-counter", "card-gate"]}
    assert admin.post("/admin/points", form).status_code == 303
    assert events(library_hub, "terminal.point_defined")[-1]["services"] == ["card-counter", "card-gate"]
    changed = shown(admin.get("/admin/points/cards", headers=EN))
    assert "No running plugin offers this now" not in changed
    assert "Not given here" not in changed
    assert changed.count(" checked") == 2
    assert "Card gate (use a service that is on the card)" in shown(admin.get("/admin/points", headers=EN))


def links(page: str) -> set[str]:
    """The addresses in the navigation of a page."""
    found = re.search(r'<nav class="navigation".*?</nav>', page, re.DOTALL)
    assert found is not None
    return set(re.findall(r'href="([^"]+)"', found[0]))


def test_the_navigation_has_what_the_role_may_open(library_hub: HubHarness) -> None:
    """An auditor sees no clerks' pages, the hub's or plugins'; every link that is shown can be followed."""
    auditor = staff_client(library_hub, "next-generation", ["auditor"])
    clerk = staff_client(library_hub, "adult", ["clerk"])
    seen = links(shown(auditor.get("/counter/")))
    assert {"/counter/", "/counter/approvals", "/counter/look-ups"} <= seen
    assert not {"/counter/look-up", "/counter/enrol", "/counter/uploads", "/counter/library/"} & seen
    own = links(shown(clerk.get("/counter/")))
    assert {"/counter/look-up", "/counter/library/"} <= own
    for client, addresses in ((auditor, seen), (clerk, own)):
        assert {client.get(address).status_code for address in addresses} == {200}


def test_who_strays_into_the_administration_sees_nothing_of_it(library_hub: HubHarness) -> None:
    """A clerk at `/admin/` is refused beside the counter's navigation, which leads back to work."""
    clerk = staff_client(library_hub, "adult", ["clerk"])
    refused = clerk.get("/admin/", headers=EN)
    assert refused.status_code == 403
    assert links(refused.text) == links(shown(clerk.get("/counter/")))


def test_staff_pages_are_in_japanese_or_english_as_a_whole(library_hub: HubHarness) -> None:
    """Who came with plain Japanese reads staff pages in Japanese, is not offered it there, and keeps it elsewhere."""
    member = staff_client(library_hub, "adult", ["administrator", "clerk"])
    for address in ("/admin/?lang=ja-Hira", "/admin/", "/counter/", "/counter/library/"):
        page = shown(member.get(address))
        assert '<html lang="ja">' in page
        assert "やさしい日本語" not in page
    assert '<html lang="ja-Hira">' in member.get("/sign-in/").text


def test_generations_of_a_ca_are_told_apart_by_their_keys(library_hub: HubHarness, admin: PageClient) -> None:
    """Each pinned certificate stands with the beginning of the hash of its key, as OpenSSL computes it."""
    page = shown(admin.get("/admin/trust", headers=EN))
    pinned = library_hub.hub.settings.trust.authentication_ca
    assert pinned
    for path in pinned:
        public = subprocess.run(["openssl", "x509", "-in", path, "-pubkey", "-noout"], check=True, capture_output=True)
        der = subprocess.run(
            ["openssl", "pkey", "-pubin", "-outform", "der"], input=public.stdout, check=True, capture_output=True
        )
        assert f">{hashlib.sha256(der.stdout).hexdigest()[:8]}</td>" in page


def test_a_ca_certificate_that_has_ended_says_so(library_hub: HubHarness, admin: PageClient) -> None:
    """The date alone is easily read over; only those whose end lies behind are marked."""
    page = shown(admin.get("/admin/trust", headers=EN))
    for path in library_hub.hub.settings.trust.authentication_ca:
        over = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc <= library_hub.clock()
        row = re.search(rf"<tr>(?:(?!</tr>).)*>{path.name}</td>.*?</tr>", page, re.DOTALL)
        assert row is not None
        assert (">Ended</span>" in row[0]) is over
    assert page.count(">Ended</span>") == 1


def test_the_log_speaks_in_words(library_hub: HubHarness, admin: PageClient) -> None:
    """Staff stand by their title, services and sign-ins in words, and how a certificate was proved in a fold."""
    admin.post("/admin/points", {"name": "desk", "title-ja": "窓口", "service": "library-desk"})
    citizen_client(library_hub, "next-generation")
    page = shown(admin.get("/admin/audit?event=terminal.point_defined", headers=EN))
    with library_hub.hub.database.reading() as session:
        (title,) = (one.title for one in StaffRegister(MUNICIPALITY).all(session))
    assert f"<dd>{title}</dd>" in page
    assert "<dd>staff:" not in page
    assert "<dd>Library desk</dd>" in page
    assert "<dd>窓口</dd>" in page
    signed_in = shown(admin.get("/admin/audit?event=portal.", headers=EN))
    assert "How the certificate was checked" in signed_in
    assert "My Number Card</dd>" in signed_in
    plain = re.sub(r"<details>.*?</details>", "", signed_in, flags=re.DOTALL)
    assert "mode fresh" not in signed_in
    assert "CN=" not in plain
    assert "JPKI" not in plain
