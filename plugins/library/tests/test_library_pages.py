"""The pages: a citizen renews, reserves and decides what is kept; the staff looks up, lends by policy, and counts."""

from __future__ import annotations

from typing import Any

import pytest

from mykey_testkit.browsers import PageClient
from mykey_testkit.hub import TerminalClient
from mykey_testkit.plugin_hub import MakeHub, PluginHub

SERVICE = "library-desk"
MINE, COUNTER = "/my/library/", "/counter/library/"


@pytest.fixture
def town(make_hub: MakeHub) -> PluginHub:
    """A hub with the sample library, where the adult's card is linked and has one book."""
    hub = make_hub("library")
    hub.import_library()
    terminal = hub.terminal()
    visit = terminal.tap("adult", SERVICE, "link", patron_number="10000017")["result"]["visit"]["id"]
    terminal.act(SERVICE, "lend", visit, barcode="A1000001")
    return hub


def _text(answer: Any) -> str:
    assert answer.status_code == 200
    text: str = answer.get_data(as_text=True)
    return text


def _after(browser: PageClient, path: str, **form: str) -> str:
    """The page that follows a form."""
    answer = browser.post(path, form)
    return _text(browser.get(answer.headers["Location"]) if answer.status_code == 303 else answer)


def test_a_citizen_renews_once(town: PluginHub) -> None:
    """The due date moves, and the second time the page says why not."""
    browser = town.citizen("adult")
    assert "銀河鉄道の夜" in _text(browser.get(MINE))
    assert "延長しました。" in _after(browser, f"{MINE}renew", barcode="A1000001")
    assert "これ以上延長できません" in _after(browser, f"{MINE}renew", barcode="A1000001")


def test_a_citizen_finds_and_reserves(town: PluginHub) -> None:
    """A title is found by its reading, reserved with a place in the queue, and cancelled."""
    browser = town.citizen("adult")
    assert "こころ" in _text(browser.get(f"{MINE}search?q=ココロ"))
    held = _after(browser, f"{MINE}hold", title="t-kokoro", pickup="main")
    assert "予約しました。" in held
    assert "1 番目です" in held
    assert "もう予約しています" in _after(browser, f"{MINE}hold", title="t-kokoro", pickup="main")
    assert "予約を取り消しました。" in _after(browser, f"{MINE}hold", title="t-kokoro", mode="cancel")


def test_history_is_kept_on_wish_only(town: PluginHub) -> None:
    """A returned title is shown to whoever asked for it, and gone when they stop."""
    browser = town.citizen("adult")
    _after(browser, f"{MINE}history", wanted="yes")
    town.terminal().act(SERVICE, "return", barcode="A1000001")
    assert "銀河鉄道の夜" in _text(browser.get(MINE))
    assert "銀河鉄道の夜" not in _after(browser, f"{MINE}history", wanted="no")


def test_joining_in_the_portal_needs_the_library_pin(town: PluginHub) -> None:
    """A number alone links nobody; number and PIN of the library do."""
    browser = town.citizen("long-name")
    assert "番号か暗証番号が違うか" in _after(browser, f"{MINE}join", number="10000041", pin="0000")
    assert "番号か暗証番号が違うか" in _after(browser, f"{MINE}join", number="10000033", pin="")
    assert "10000041" in _after(browser, f"{MINE}join", number="10000041", pin="2468")


def test_the_citizen_sees_that_the_staff_looked(town: PluginHub) -> None:
    """The account is shown to staff only for a purpose, after the look has been recorded; the citizen reads both."""
    clerk = town.staff("clerk")
    assert "目的が選ばれていません" in _after(clerk, f"{COUNTER}patron", number="10000017", purpose="curious")
    assert town.audit("staff.looked_up") == []
    assert "銀河鉄道の夜" in _after(clerk, f"{COUNTER}patron", number="10000017", purpose="overdue")
    looked = town.audit("staff.looked_up")
    assert [record.facts["purpose"] for record in looked] == ["overdue"]
    assert "目的：延滞・督促" in _text(town.citizen("adult").get("/my/accesses"))


def test_lending_without_a_card_is_a_matter_of_policy(make_hub: MakeHub) -> None:
    """Refused by default; with the policy the risk and the ground are shown, and each loan is recorded."""
    for allowed in (False, True):
        ground = {"desk_without_card": True, "desk_without_card_basis": "館則第5条"} if allowed else {}
        hub = make_hub("library", settings=ground)
        hub.import_library()
        clerk = hub.staff("clerk")
        said = _after(clerk, f"{COUNTER}lend", number="10000017", barcode="A1000002")
        assert ("貸し出しました：坊っちゃん" in said) is allowed
        assert ("館則第5条" in said) is allowed
        recorded = [record.facts["action"] for record in hub.audit("plugin.recorded")]
        assert recorded == (["library.lent-without-card"] if allowed else [])


def test_the_desk_says_where_a_return_goes(town: PluginHub) -> None:
    """A copy that somebody waits for goes to the hold shelf, and another branch's copy goes home."""
    clerk = town.staff("clerk")
    assert "棚に戻してください" in _after(clerk, f"{COUNTER}return", barcode="A1000001", branch="main")
    assert "east へ送ります" in _after(clerk, f"{COUNTER}return", barcode="A1000007", branch="main")
    assert "その資料は見つかりません" in _after(clerk, f"{COUNTER}return", barcode="ZZZZZZ", branch="main")


def test_statistics_have_a_chart_and_a_file(town: PluginHub) -> None:
    """Loans by class as picture and table, and as a file; no patron in either."""
    clerk = town.staff("clerk")
    page = _text(clerk.get(f"{COUNTER}statistics"))
    assert "<svg" in page
    assert "文学" in page
    lines = clerk.get(f"{COUNTER}statistics.csv").get_data().decode("utf-8-sig").splitlines()
    assert "lent,ndc,913.8,1" in lines
    assert "10000017" not in page + "".join(lines)


def test_the_shelf_list_names_free_copies(town: PluginHub) -> None:
    """A title that is waited for and stands on the shelf is to be fetched."""
    terminal: TerminalClient = town.terminal()
    visit = terminal.tap("adult", SERVICE)["result"]["visit"]["id"]
    terminal.act(SERVICE, "hold", visit, barcode="A1000006")
    assert "A1000006" in _text(town.staff("clerk").get(f"{COUNTER}shelf"))
