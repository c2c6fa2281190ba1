"""The citizen portal: what is shown, decided, exported and deleted; dates and charts of its pages."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from flask import Blueprint

from mykey_core.consent.delegation import DelegationKind, Delegations
from mykey_core.plugins.manifest import Purpose
from mykey_core.plugins.pages import Area, Pages
from mykey_core.portal.messages import Messages
from mykey_core.portal.sign_in import SECTOR
from mykey_testkit.browsers import PageClient, citizen_client, staff_client
from mykey_testkit.hub import MUNICIPALITY, HubHarness, sign_challenge
from mykey_web.design.charts import Series, bar_chart, line_chart
from mykey_web.design.dates import date_text, instant_text
from mykey_web.pages.plugin_pages import PagesRefused, _check_templates
from mykey_web.staff_cli import staff

EN = {"Accept": "text/html", "Accept-Language": "en"}


@pytest.fixture
def reader(library_hub: HubHarness) -> PageClient:
    """A citizen with a library card, signed in."""
    library_hub.terminal().tap("adult", "library-desk", "link", patron_number="10000017")
    return citizen_client(library_hub, "adult")


def person_of(hub: HubHarness, persona: str) -> object:
    """The person behind a card."""
    challenge = {"nonce": "A" * 44, "origin": hub.origin}
    token = sign_challenge(persona, challenge)
    from mykey_core.trust.revocation.budget import RiskClass

    verified = hub.hub.logins.authentication[RiskClass.HIGH].verify_members(token, "A" * 44, hub.clock())
    with hub.hub.database.reading() as session:
        known = hub.hub.people.find(session, verified.certificate, SECTOR)
    assert known is not None
    return known.person_id


def test_the_service_is_shown_with_its_legal_basis(reader: PageClient) -> None:
    page = reader.get("/my/services", headers=EN).text
    for words in ("Library", "Linked", "Legal basis", "Authentication certificate", "Reiwa 8"):
        assert words in page


@pytest.mark.parametrize("language", ["ja", "en", "ja-Hira"])
def test_every_page_is_worded(reader: PageClient, language: str) -> None:
    """No key without wording reaches a page, and the language is remembered after it was chosen once."""
    reader.get(f"/my/?lang={language}")
    names = ("", "services", "messages", "consents", "delegations", "accesses", "devices", "export")
    for name in (*names, "services/library/leave"):
        page = reader.get(f"/my/{name}").text
        assert f'<html lang="{language}">' in page
        for prefix in ("my.", "frame.", "sign_in.", "attribute.", "device.", "date."):
            assert f">{prefix}" not in page, name


def test_the_citizen_sees_what_staff_looked_at(library_hub: HubHarness, reader: PageClient) -> None:
    """A look-up of staff is in the list at once, with its purpose."""
    from mykey_core.audit.records import append

    with library_hub.hub.database.writing() as session:
        subject = library_hub.hub.people.subject_of(session, person_of(library_hub, "adult"), "library")  # type: ignore[arg-type]
        facts = {"actor": "staff:yamada", "plugin": "library", "subject": subject, "purpose": "overdue-call"}
        append(session, MUNICIPALITY, library_hub.clock(), "staff.looked_up", facts)
    page = reader.get("/my/accesses", headers=EN).text
    assert "looked at your record in Library (purpose: overdue-call)" in page
    assert "yamada" in page


def test_messages_are_read_once(library_hub: HubHarness, reader: PageClient) -> None:
    """A message is new until its reader says so; nobody else can say so."""
    person = person_of(library_hub, "adult")
    content = {"ja": {"title": "お知らせ", "text": "本が届きました"}, "en": {"title": "Ready", "text": "Your book"}}
    with library_hub.hub.database.writing() as session:
        subject = library_hub.hub.people.subject_of(session, person, SECTOR)  # type: ignore[arg-type]
        message = Messages(MUNICIPALITY).send(session, person, subject, content, at=library_hub.clock())  # type: ignore[arg-type]
    stranger = citizen_client(library_hub, "renewed")
    stranger.post("/my/messages/read", {"message": str(message)})
    assert "1 unread" in reader.get("/my/", headers=EN).text
    assert "Your book" in reader.get("/my/messages", headers=EN).text
    reader.post("/my/messages/read", {"message": str(message)})
    assert "unread" not in reader.get("/my/", headers=EN).text


def test_many_messages_have_pages(library_hub: HubHarness, reader: PageClient) -> None:
    """Twenty-five a page, the newest first; a page that is not there is the last one."""
    person = person_of(library_hub, "adult")
    with library_hub.hub.database.writing() as session:
        subject = library_hub.hub.people.subject_of(session, person, SECTOR)  # type: ignore[arg-type]
        for number in range(30):
            words = {"ja": {"title": f"通知{number:02d}", "text": "本文"}}
            Messages(MUNICIPALITY).send(session, person, subject or "", words, at=library_hub.clock())  # type: ignore[arg-type]
    first, last = reader.get("/my/messages", headers=EN).text, reader.get("/my/messages?page=99", headers=EN).text
    assert re.findall(r"通知\d\d</h2>", first) == [f"通知{number:02d}</h2>" for number in range(29, 4, -1)]
    assert "Page 1 of 2" in first
    assert re.findall(r"通知\d\d</h2>", last) == [f"通知{number:02d}</h2>" for number in range(4, -1, -1)]
    assert "Older" not in last


def test_delegations_of_both_sides(library_hub: HubHarness, reader: PageClient) -> None:
    """Both see it, a third person cannot end it, and either side can."""
    family, third = citizen_client(library_hub, "next-generation"), citizen_client(library_hub, "generation-2")
    now = library_hub.clock()
    with library_hub.hub.database.writing() as session:
        made = Delegations(MUNICIPALITY).grant(
            session,
            person_of(library_hub, "adult"),  # type: ignore[arg-type]
            person_of(library_hub, "next-generation"),  # type: ignore[arg-type]
            kind=DelegationKind.FAMILY,
            plugin="library",
            scope=["library-desk"],
            at=now,
            ends_at=now + timedelta(days=30),
            actor="staff:yamada",
        )
    assert "Somebody acts for you" in reader.get("/my/delegations", headers=EN).text
    assert "You act for somebody" in family.get("/my/delegations", headers=EN).text
    end = {"delegation": str(made.delegation_id)}
    assert third.post("/my/delegations/end", end).status_code == 403
    assert family.post("/my/delegations/end", end).status_code == 303
    ended = reader.get("/my/delegations", headers=EN).text
    assert re.search(r"Ended on</dt><dd>2 November 2026", ended)
    assert "Ends on" not in ended


def test_the_export_holds_everything_and_nobody_else(reader: PageClient, library_hub: HubHarness) -> None:
    """A file to keep, with what the library holds, and a record of the export itself."""
    answer = reader.post("/my/export")
    assert answer.headers["Content-Disposition"] == "attachment; filename=mykey-export.json"
    export = json.loads(answer.data)
    assert export["municipality"] == MUNICIPALITY
    assert [one["service"] for one in export["services"]] == ["library"]
    assert "10000017" in json.dumps(export["services"][0]["data"])
    assert [one["kind"] for one in export["credentials"]] == ["authentication"]
    assert export["accesses"][0]["event"] == "portal.exported"
    assert len(library_hub.audit("portal.exported")) == 1


def test_leaving_a_service_deletes_its_data(library_hub: HubHarness, reader: PageClient) -> None:
    """After that the library knows the card no more, its export is empty, and the records stay for the citizen."""
    assert reader.get("/my/services/library/leave").status_code == 200
    answer = reader.post("/my/services/library/leave")
    assert answer.status_code == 303, answer.text
    assert json.loads(reader.post("/my/export").data)["services"] == []
    assert reader.post("/my/services/library/leave").status_code == 409
    tapped = library_hub.terminal().tap("adult", "library-desk")
    assert tapped["result"]["code"] == "library.not_linked"
    assert "Library" in reader.get("/my/accesses", headers=EN).text


def test_nobody_leaves_with_the_librarys_books(library_hub: HubHarness, reader: PageClient) -> None:
    """While an item is out the page says what to settle and has no button, and the form alone is refused."""
    terminal = library_hub.terminal()
    visit = terminal.tap("adult", "library-desk")["result"]["visit"]["id"]
    lent = terminal.act("library-desk", "lend", visit, barcode="A1000001")
    assert lent["result"]["code"] == "library.lent"
    page = reader.get("/my/services/library/leave", headers=EN).text
    assert "Items that you still have: 1." in page
    assert "Stop using and delete</button>" not in page
    refused = reader.post("/my/services/library/leave")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "service_obligations")
    assert len(json.loads(reader.post("/my/export").data)["services"]) == 1
    terminal.act("library-desk", "return", barcode="A1000001")
    assert reader.post("/my/services/library/leave").status_code == 303


def test_before_leaving_it_is_said_what_goes_and_what_stays(reader: PageClient) -> None:
    """The words of the manifest about retention and law stand there before anybody presses the button."""
    page = reader.get("/my/services/library/leave", headers=EN).text
    for words in ("What goes", "What stays", "record of a loan is deleted", "Application and consent", "Stop using"):
        assert words in page


def test_the_export_can_be_read(reader: PageClient, library_hub: HubHarness) -> None:
    """All parts on one page, fields by their titles, days in both forms; the export itself is in the record."""
    page = reader.post("/my/export/page", headers=EN).text
    assert "<dt>Kind</dt><dd>My Number Card</dd>" in page.replace("\n", "")
    assert "auth-certificate" not in page
    for words in ("Patron number", "10000017", "Links to cards", "Keeps the reading history", "Reading history"):
        assert words in page
    assert "You exported your data" in page
    assert re.search(r"Linked at</dt><dd>\s*2 November 2026 \(Reiwa 8\)", page)
    assert "library_" not in page
    assert len(library_hub.audit("portal.exported")) == 1
    assert reader.get("/my/export/page").status_code == 405


def test_what_was_done_is_shown_without_what_was_lent(library_hub: HubHarness, reader: PageClient) -> None:
    """The audit does not keep titles, so the list has the outcome alone, and no empty field."""
    terminal = library_hub.terminal()
    visit = terminal.tap("adult", "library-desk")["result"]["visit"]["id"]
    terminal.act("library-desk", "lend", visit, barcode="A1000001")
    page = reader.get("/my/accesses", headers=EN).text
    assert "(result: Lent)" in page
    assert "{" not in page


def test_what_nobody_declares_is_refused(reader: PageClient) -> None:
    assert (
        reader.post("/my/consents", {"plugin": "library", "purpose": "no-such", "decision": "agree"}).status_code == 403
    )
    assert reader.post("/my/services/nothing/leave").status_code == 409
    assert reader.post("/my/delegations/end", {"delegation": "x"}).status_code == 403


def test_a_refusal_is_a_page_for_people_and_json_for_programs(reader: PageClient) -> None:
    page = reader.get("/my/no-such-page", headers=EN)
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "What to do" in page.text
    assert reader.get("/my/no-such-page").mimetype == "application/problem+json"


def test_the_address_alone_has_three_doors(library_hub: HubHarness) -> None:
    """Whoever types the town's address finds the own page, the service point and the counter, in three languages."""
    browser = PageClient(library_hub)
    for language in ("ja", "en", "ja-Hira"):
        page = browser.get(f"/?lang={language}").text
        doors = set(re.findall(r'class="button[^"]*" href="([^"]+)"', page))
        assert doors == {"/my/", "/point", "/counter/"}
        assert "welcome." not in page


# -- plugins' pages ---------------------------------------------------------------------------------------------


def test_foreign_templates_are_refused(library_hub: HubHarness, tmp_path: Path) -> None:
    """A plugin that brings `hub/base.html` would change every page: it loses its pages."""
    plugin = library_hub.hub.plugins.plugins["library"]
    foreign = tmp_path / "foreign"
    (foreign / "hub").mkdir(parents=True)
    (foreign / "hub" / "base.html").write_text("<html></html>")
    with pytest.raises(PagesRefused, match=r"base\.html"):
        _check_templates(plugin, Pages(Area.PUBLIC, Blueprint("x", __name__, template_folder=str(foreign)), "x"))


def test_administration_needs_its_role(library_hub: HubHarness) -> None:
    """A clerk is refused with a page that says which right is missing; nobody at all is sent to sign in."""
    from mykey_web.pages.areas import mount

    blueprint = Blueprint("probe", __name__)
    blueprint.get("/probe")(lambda: "inside")
    library_hub.app._got_first_request = False
    mount(library_hub.app, blueprint, Area.ADMIN)
    clerk = staff_client(library_hub, "adult", ["clerk"])
    chief = staff_client(library_hub, "renewed", ["administrator"])
    assert PageClient(library_hub).get("/admin/probe").location.startswith("/sign-in/staff")
    assert clerk.get("/admin/probe").get_json()["code"] == "role_needed"
    assert chief.get("/admin/probe").text == "inside"


# -- staff by command -------------------------------------------------------------------------------------------


def test_staff_by_command(library_hub: HubHarness) -> None:
    """Made, invited, signed in, ended: the last one ends the session at once."""

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(staff, [arguments[0], "--config", str(library_hub.config), *arguments[1:]])
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    run("put", "yamada", "--title", "山田", "--role", "clerk")
    library_hub.clock.now = datetime.now(UTC)
    library_hub.publish_crls()
    code = run("invite", "yamada")
    browser = PageClient(library_hub)
    assert browser.sign_in("adult", "staff", code).status_code == 200
    assert json.loads(run("list"))[0]["has_card"] is True
    run("end", "yamada")
    assert browser.sign_in("adult", "staff").get_json()["code"] == "staff_card_unknown"


# -- dates and charts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "ja", "en"),
    [
        (date(2026, 11, 24), "令和8年11月24日（2026年）", "24 November 2026 (Reiwa 8)"),
        (date(2019, 5, 1), "令和元年5月1日（2019年）", "1 May 2019 (Reiwa 1)"),
        (date(2019, 4, 30), "平成31年4月30日（2019年）", "30 April 2019 (Heisei 31)"),
        (date(1989, 1, 7), "昭和64年1月7日（1989年）", "7 January 1989 (Showa 64)"),
        (date(1989, 1, 8), "平成元年1月8日（1989年）", "8 January 1989 (Heisei 1)"),
        (date(1926, 12, 25), "昭和元年12月25日（1926年）", "25 December 1926 (Showa 1)"),
        (date(1912, 7, 29), "明治45年7月29日（1912年）", "29 July 1912 (Meiji 45)"),
        (date(1850, 1, 1), "1850年1月1日", "1 January 1850"),
    ],
)
def test_dates_in_both_forms(day: date, ja: str, en: str) -> None:
    """The last and first days of the eras, the first year as 元年, and the time before them."""
    assert date_text(day, "ja") == ja
    assert date_text(day, "en") == en


def test_instants_are_shown_in_japans_time() -> None:
    assert instant_text(datetime(2026, 12, 31, 15, 4, tzinfo=UTC), "ja") == "令和9年1月1日（2027年）00:04"


def test_charts_are_pictures_with_their_table(library_hub: HubHarness) -> None:
    """Well-formed SVG without style, every number once more in the table, and nothing of a label is markup."""
    with library_hub.app.test_request_context(headers=EN):
        for chart in (bar_chart, line_chart):
            made = str(
                chart("Loans <b>", ["Apr", "May"], [Series("Adults", [3, 12]), Series("Kids", [0, 7])], unit=" books")
            )
            tree = ET.fromstring(made)  # noqa: S314 - made a line above
            assert tree.find(".//svg") is not None
            assert [cell.text for cell in tree.findall(".//td")] == ["3 books", "0 books", "12 books", "7 books"]
            assert "style=" not in made
            assert "<b>" not in made
        with pytest.raises(ValueError, match="one number for each label"):
            bar_chart("x", ["a"], [Series("y", [1, 2])])


def test_long_names_of_bars_are_shortened_with_their_title(library_hub: HubHarness) -> None:
    """Eight wide characters fit; a longer name ends in an ellipsis, and its title and its table row have all of it."""
    labels = ["前橋駅前広場北口", "特定非営利活動法人まえばし福祉タクシー <b>"]
    with library_hub.app.test_request_context(headers=EN):
        tree = ET.fromstring(str(bar_chart("Rides", labels, [Series("Rides", [1, 2])])))  # noqa: S314 - made here
    first, second = tree.findall(".//text[@class='chart__label']")
    assert first.text == labels[0]
    title = second.find("title")
    assert title is not None
    assert (title.text, title.tail) == (labels[1], "特定非営利活動…")
    assert [cell.text for cell in tree.findall(".//tbody/tr/th")] == labels


# -- consents ---------------------------------------------------------------------------------------------------


def declare_purpose(hub: HubHarness, text: str) -> None:
    """The library plugin asks for the age band, as its manifest would say."""
    loaded = hub.hub.plugins.plugins["library"]
    purpose = Purpose(name="statistics", text={"ja": text, "en": text}, attributes=frozenset({"age_band"}))
    manifest = loaded.context.manifest.model_copy(update={"purposes": (purpose,)})
    hub.hub.plugins.plugins["library"] = replace(loaded, context=replace(loaded.context, manifest=manifest))


def test_consent_is_given_read_and_withdrawn(library_hub: HubHarness, reader: PageClient) -> None:
    """Agreed for the text as it reads; another text needs another consent; withdrawing counts at once."""
    declare_purpose(library_hub, "Yearly statistics")
    page = reader.get("/my/consents", headers=EN).text
    assert "Yearly statistics" in page
    assert "Not decided" in page
    decision = {"plugin": "library", "purpose": "statistics"}
    reader.post("/my/consents", {**decision, "decision": "agree"})
    assert "Until 2 November 2027" in reader.get("/my/consents", headers=EN).text
    declare_purpose(library_hub, "Advertising")
    assert "The text has changed" in reader.get("/my/consents", headers=EN).text
    declare_purpose(library_hub, "Yearly statistics")
    reader.post("/my/consents", {**decision, "decision": "withdraw"})
    page = reader.get("/my/consents", headers=EN).text
    assert "You withdrew from" in page
    assert "Withdrawn" in page
    assert [one.event for one in library_hub.audit() if one.event.startswith("consent.")] == [
        "consent.granted",
        "consent.withdrawn",
    ]
