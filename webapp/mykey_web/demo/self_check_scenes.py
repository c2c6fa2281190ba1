"""The scenes at the self-check machine of the library: tap, items, what is refused and why, receipt, end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mykey_web.demo.clients import Page
from mykey_web.demo.town import SELF_CHECK

Json = dict[str, Any]
SelfCheckScene = tuple[str, str, Callable[[], str]]
_PIN = "1234"
_FIRST, _SECOND, _REFERENCE, _UNKNOWN = "A1000003", "A1000004", "A1000037", "A9999999"


def self_check_scenes(machine: Page, desk: Page, card: str) -> list[SelfCheckScene]:
    """(name, expected, act) of each; `card` is linked with a patron number already, and may lie at the desk."""

    def visit(*steps: tuple[str, str]) -> str:
        desk.take_out()
        machine.insert(card)
        tap = machine.tap(SELF_CHECK, "open", _PIN)
        visit_id = tap["result"]["visit"]["id"]
        codes = [_code(machine.act(SELF_CHECK, action, visit_id, **_item(item))) for action, item in steps]
        machine.end_visit(visit_id)
        machine.take_out()
        return ", ".join([_code(tap), *codes])

    return [
        (
            "self-check: two loans and a receipt",
            "welcome, lent, lent, receipt",
            lambda: visit(("lend", _FIRST), ("lend", _SECOND), ("receipt", "")),
        ),
        (
            "self-check: refused with the reason",
            "welcome, item_with_you, item_reference_only, item_unknown",
            lambda: visit(("lend", _FIRST), ("lend", _REFERENCE), ("lend", _UNKNOWN)),
        ),
        (
            "self-check: renew and return",
            "welcome, renewed, returned, returned, not_on_loan",
            lambda: visit(("renew", _FIRST), ("return", _FIRST), ("return", _SECOND), ("return", _SECOND)),
        ),
    ]


def on_loan(machine: Page, card: str) -> str:
    """A tap of `card`, and the barcodes of what its holder has on loan."""
    machine.insert(card)
    tap = machine.tap(SELF_CHECK, "open", _PIN)
    machine.take_out()
    tables = [block for block in tap["result"]["view"] if block["kind"] == "table"]
    return ", ".join([str(tap["result"]["code"]), *(str(row[1]) for row in tables[0]["rows"])] if tables else ["none"])


def _item(barcode: str) -> dict[str, str]:
    return {"barcode": barcode} if barcode else {}


def _code(answer: Json) -> str:
    problem: Json = answer.get("problem") or answer
    code = answer["result"]["code"] if answer.get("state") == "done" else problem.get("code")
    return str(code).removeprefix("library.")
