"""The library desk: linking, lending and returning, as a patron and as the staff see it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mykey_testkit.hub import HubHarness, TerminalClient

DUE = "16 November 2026 (Reiwa 8)"
SERVICE = "library-desk"


@pytest.fixture
def desk(library_hub: HubHarness) -> TerminalClient:
    """The terminal of the desk, with the adult's card linked to patron 10000017."""
    terminal = library_hub.terminal()
    assert terminal.tap("adult", SERVICE, "link", patron_number="10000017")["result"]["code"] == "library.linked"
    return terminal


def _visit(terminal: TerminalClient, persona: str = "adult") -> str:
    visit: str = terminal.tap(persona, SERVICE)["result"]["visit"]["id"]
    return visit


def _code(answer: dict[str, Any]) -> str:
    return str(answer["result"]["code"] if "result" in answer else answer["code"])


def test_lend_and_return(desk: TerminalClient) -> None:
    """An item is lent for fourteen days of the Japanese calendar, shown at the next tap, and returned by anybody."""
    lent = desk.act(SERVICE, "lend", _visit(desk), barcode="A1000001")
    table = next(block for block in lent["result"]["view"] if block["kind"] == "table")
    assert (_code(lent), table["rows"]) == ("library.lent", [["銀河鉄道の夜", "A1000001", DUE, "on loan"]])
    assert _code(desk.act(SERVICE, "return", barcode="A1000001")) == "library.returned"
    assert desk.tap("adult", SERVICE)["result"]["view"][1]["kind"] == "notice"


def test_due_date_follows_the_calendar_of_japan(library_hub: HubHarness, desk: TerminalClient) -> None:
    """A loan at 23:59 and one at 00:01 Japanese time are due on different days."""
    library_hub.clock.move(timedelta(hours=13, minutes=59))  # 23:59 in Japan
    desk.sign_in()
    first = desk.act(SERVICE, "lend", _visit(desk), barcode="A1000001")
    library_hub.clock.move(timedelta(minutes=2))
    desk.sign_in()
    second = desk.act(SERVICE, "lend", _visit(desk), barcode="A1000002")
    assert DUE in first["result"]["message"]["text"]
    assert "17 November 2026 (Reiwa 8)" in second["result"]["message"]["text"]


def test_overdue_items_are_marked(library_hub: HubHarness, desk: TerminalClient) -> None:
    """On the due date an item is on time, the day after it is overdue."""
    desk.act(SERVICE, "lend", _visit(desk), barcode="A1000001")
    states = []
    for _ in range(2):
        library_hub.clock.move(timedelta(days=14) if not states else timedelta(days=1))
        library_hub.publish_crls()
        library_hub.restart()
        later = library_hub.terminal()
        states.append(later.tap("adult", SERVICE)["result"]["view"][1]["rows"][0][3])
    assert states == ["on loan", "overdue"]


@pytest.mark.parametrize(
    ("barcode", "code"), [("ZZZZZZ", "library.item_unknown"), ("A1000001", "library.item_with_you")]
)
def test_items_that_cannot_be_lent(desk: TerminalClient, barcode: str, code: str) -> None:
    """An unknown barcode and an item that is already out are refused with what to do."""
    visit = _visit(desk)
    desk.act(SERVICE, "lend", visit, barcode="A1000001")
    answer = desk.act(SERVICE, "lend", visit, barcode=barcode)
    assert (_code(answer), answer["result"]["outcome"]) == (code, "refused")
    assert answer["result"]["message"]["what_to_do"]


def test_an_item_of_somebody_else(desk: TerminalClient) -> None:
    """A second patron cannot borrow what the first has, and is not told who has it."""
    desk.act(SERVICE, "lend", _visit(desk), barcode="A1000001")
    desk.tap("long-name", SERVICE, "link", patron_number="10000025")
    answer = desk.act(SERVICE, "lend", _visit(desk, "long-name"), barcode="A1000001")
    assert _code(answer) == "library.item_on_loan"
    assert "10000017" not in str(answer)


@pytest.mark.usefixtures("desk")
def test_no_more_than_the_limit(library_hub: HubHarness) -> None:
    """The limit of the settings holds, and a return makes room."""
    path = library_hub.folder / "hub" / "plugins.toml"
    path.write_text(path.read_text() + "[plugins.library.settings]\nmax_loans = 1\n")
    library_hub.restart()
    terminal = library_hub.terminal()
    visit = _visit(terminal)
    codes = [_code(terminal.act(SERVICE, "lend", visit, barcode=f"A100000{number}")) for number in (1, 2)]
    terminal.act(SERVICE, "return", barcode="A1000001")
    assert [*codes, _code(terminal.act(SERVICE, "lend", visit, barcode="A1000002"))] == [
        "library.lent",
        "library.too_many_loans",
        "library.lent",
    ]


def test_settings_that_make_no_sense_quarantine_the_plugin(library_hub: HubHarness) -> None:
    """A misspelt setting is named, and the service is not offered."""
    path = library_hub.folder / "hub" / "plugins.toml"
    path.write_text(path.read_text() + "[plugins.library.settings]\nloan_day = 7\n")
    library_hub.restart()
    report = next(report for report in library_hub.hub.plugins.reports if report.name == "library")
    assert (report.state, "loan_day" in report.reason) == ("quarantined", True)
    assert library_hub.terminal().begin(SERVICE)["code"] == "service_unavailable"


@pytest.mark.parametrize(
    ("persona", "number", "code"),
    [
        ("long-name", "99999999", "library.patron_unknown"),
        ("long-name", "10000017", "library.number_taken"),
        ("adult", "10000025", "library.linked_to_other_number"),
        ("adult", "10000017", "library.linked"),
    ],
)
def test_links_that_are_refused_or_repeated(desk: TerminalClient, persona: str, number: str, code: str) -> None:
    """A number is linked to one card and a card to one number; the same link again is no error."""
    assert _code(desk.tap(persona, SERVICE, "link", patron_number=number)) == code


def test_a_visit_ends(library_hub: HubHarness, desk: TerminalClient) -> None:
    """Card removal ends the visit at once, and ten minutes end it by themselves."""
    first = _visit(desk)
    desk.delete(f"/visits/{first}")
    assert _code(desk.act(SERVICE, "lend", first, barcode="A1000001")) == "visit_ended"
    second = _visit(desk)
    library_hub.clock.move(timedelta(minutes=10))
    desk.sign_in()
    assert _code(desk.act(SERVICE, "lend", second, barcode="A1000001")) == "visit_ended"


def test_a_visit_is_worth_nothing_at_another_terminal(library_hub: HubHarness, desk: TerminalClient) -> None:
    """Another terminal cannot act for the person, even with the visit's id."""
    other = library_hub.terminal()
    assert _code(other.act(SERVICE, "lend", _visit(desk), barcode="A1000001")) == "visit_ended"


def test_nothing_of_a_returned_loan_remains(library_hub: HubHarness, desk: TerminalClient) -> None:
    """After the return the barcode is nowhere in the database but in the catalogue (図書館の自由)."""
    desk.act(SERVICE, "lend", _visit(desk), barcode="A1000001")
    desk.act(SERVICE, "return", barcode="A1000001")
    library_hub.clock.move(timedelta(hours=2))
    library_hub.hub.taps.forget_old()
    tables = _dump(library_hub)
    assert [name for name, rows in tables.items() if "A1000001" in str(rows)] == ["library_item"]
    assert [row for row in tables["library_event"] if "10000017" in str(row)] == []
    assert len(tables["library_event"]) == 2  # lent and returned: a day, a branch and a class


def _dump(hub: HubHarness) -> dict[str, list[Any]]:
    from sqlalchemy import MetaData, select

    metadata = MetaData()
    metadata.reflect(hub.hub.engine)
    with hub.hub.engine.connect() as connection:
        return {table.name: list(connection.execute(select(table))) for table in metadata.sorted_tables}


def test_every_wording_of_the_plugin_exists_in_every_language() -> None:
    """No key is missing in English or plain Japanese, and fields are the same in all."""
    import string

    from mykey_core.translations import load_catalogue

    texts = load_catalogue("mykey_library", "library").texts
    assert texts["ja"].keys() == texts["en"].keys() == texts["ja-Hira"].keys()
    for key, text in texts["ja"].items():
        fields = [{name for _, name, _, _ in string.Formatter().parse(texts[lang][key]) if name} for lang in texts]
        assert fields[0] == fields[1] == fields[2], (key, text)


def test_every_message_has_its_three_parts() -> None:
    """Each code of the desk has a title, a text and what to do, and so has every reason of the protocol."""
    from mykey_core.translations import load_catalogue
    from mykey_library.circulation import Reason

    keys = load_catalogue("mykey_library", "library").texts["ja"].keys()
    codes = {key.removesuffix(".what_to_do") for key in keys if key.endswith(".what_to_do")}
    reasons = {f"reason.{reason.value}" for reason in Reason}
    assert codes >= reasons
    titles = {code if code in reasons else f"{code}.title" for code in codes}
    assert titles | {f"{code}.text" for code in codes} <= keys
