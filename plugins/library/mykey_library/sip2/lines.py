"""JSON lines for `Sip2Circulation`: one request a line, one answer a line, for scripts and for trying a system out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from mykey_library.circulation import (
    CheckoutRequest,
    Circulation,
    CirculationUnavailable,
    HoldMode,
    HoldRequest,
    Listing,
    Outcome,
    Reason,
    Verdict,
)
from mykey_library.sip2.errors import Sip2Error
from mykey_library.sip2.wording import reason_words

Json = Mapping[str, Any]


def _pin(order: Json) -> str | None:
    return order.get("pin")


def _information(system: Circulation, order: Json) -> Any:
    listing = Listing(order["list"]) if "list" in order else None
    return system.patron_information(order["patron"], pin=_pin(order), listing=listing)


def _loan(order: Json) -> CheckoutRequest:
    return CheckoutRequest(order["patron"], order["item"], pin=_pin(order))


def _hold(order: Json) -> HoldRequest:
    mode = HoldMode(order.get("mode", "+"))
    return HoldRequest(mode, order["patron"], order["item"], pin=_pin(order), pickup=order.get("pickup", ""))


def _fee(system: Circulation, order: Json) -> Any:
    amount = order["amount_yen"]
    if not isinstance(amount, int) or isinstance(amount, bool) or amount < 1:
        raise ValueError("amount_yen is a whole number from 1 on")
    return system.fee_paid(order["patron"], amount, transaction=order["transaction"], pin=_pin(order))


def _block(system: Circulation, order: Json) -> Any:
    return system.block_patron(order["patron"], card_retained=False, message=order.get("message", ""))


_STEPS: dict[str, tuple[tuple[str, ...], Callable[[Circulation, Json], Any]]] = {
    "patron_status": (("patron",), lambda system, order: system.patron_status(order["patron"], pin=_pin(order))),
    "patron_information": (("patron",), _information),
    "item_information": (("item",), lambda system, order: system.item_information(order["item"])),
    "checkout": (("patron", "item"), lambda system, order: system.checkout(_loan(order))),
    "checkin": (("item",), lambda system, order: system.checkin(order["item"])),
    "renew": (("patron", "item"), lambda system, order: system.renew(_loan(order))),
    "renew_all": (("patron",), lambda system, order: system.renew_all(order["patron"], pin=_pin(order))),
    "hold": (("patron", "item"), lambda system, order: system.hold(_hold(order))),
    "fee_paid": (("patron", "amount_yen", "transaction"), _fee),
    "item_status_update": (
        ("item", "properties"),
        lambda system, order: system.item_status_update(order["item"], order["properties"]),
    ),
    "block_patron": (("patron",), _block),
    "enable_patron": (("patron",), lambda system, order: system.enable_patron(order["patron"], pin=_pin(order))),
    "end_session": (("patron",), lambda system, order: system.end_session(order["patron"])),
}


def answer_lines(lines: Iterable[str], system: Circulation, language: str) -> Iterator[str]:
    """The answer to each line, as JSON. A bad line is answered with `error`, and the next one is read."""
    for line in lines:
        if line.strip():
            yield json.dumps(_answer(line, system, language), ensure_ascii=False)


def _answer(line: str, system: Circulation, language: str) -> Any:
    try:
        name, step = _step(json.loads(line))
        result = step(system)
    except (ValueError, CirculationUnavailable, Sip2Error) as error:
        return {"error": str(error) or type(error).__name__}
    answer = {"do": name, "answer": _plain(result)}
    if isinstance(result, Outcome) and result.verdict is not Verdict.DONE:
        answer["what_to_do"] = reason_words(result.reason or Reason.NO_ANSWER, language, part="what_to_do")
    return answer


def _step(order: Any) -> tuple[str, Callable[[Circulation], Any]]:
    name = order.get("do") if isinstance(order, dict) else None
    if name not in _STEPS:
        raise ValueError(f"'do' is one of {', '.join(_STEPS)}")
    needed, run = _STEPS[name]
    missing = [key for key in needed if key not in order]
    if missing:
        raise ValueError(f"{name} needs {', '.join(missing)}")
    wrong = [key for key, value in order.items() if key != "amount_yen" and not isinstance(value, str)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: write a text in quotation marks")
    return name, lambda system: run(system, order)


def _plain(value: Any) -> Any:
    """Dataclasses, enums and dates as JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value if isinstance(value, str) else value.name.lower()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset | tuple | list):
        return sorted(_plain(entry) for entry in value) if isinstance(value, frozenset) else [_plain(e) for e in value]
    return value
