"""The scenes of the story about services on the card: written at a counter, used at a gate, suspended, moved out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mykey_web.demo.bus_plugin import NAME, SERVICE
from mykey_web.demo.clients import Page

Json = dict[str, Any]
CardScene = tuple[str, str, Callable[[], str]]
_PIN = "1234"
_RIDE = {"kind": "ride", "total": 200, "amount": 100}
_HOLDER, _OTHER_TOWN = "adult", "other-town"


def card_scenes(counter: Page, gate: Page) -> list[CardScene]:
    """(name, expected, act) of each. The card is carried from the counter to the gate and back."""

    def at(place: Page, card: str = _HOLDER) -> Page:
        (gate if place is counter else counter).take_out()
        place.insert(card)
        return place

    def written() -> str:
        tap = at(counter).tap(SERVICE, "join", _PIN)
        order = {"plugin": NAME, "visit_id": tap["result"]["visit"]["id"]}
        planned = counter.write("write", dry_run=True, **order)
        done = counter.write("write", **order)
        again = counter.write("write", **order)
        return f"{_end(planned)} {_steps(planned)}, {_end(done)} {_steps(done)}, then {_steps(again)}"

    def other_town() -> str:
        at(counter, _OTHER_TOWN)
        values = {"number": "B-1", "valid_until": "2030-03-31"}
        return _end(counter.write("write", plugin=NAME, values=values))

    def suspended() -> str:
        at(counter)
        first = _end(counter.write("suspend", plugin=NAME))
        second = _ride(at(gate))
        at(counter)
        third = _end(counter.write("resume", plugin=NAME))
        return f"{first}, at the gate {second}, {third}, at the gate {_ride(at(gate))}"

    def moved_out() -> str:
        at(counter)
        first = _end(counter.write("move-out"))
        second = _end(counter.write("move-out", with_value=True))
        card = counter.write("check")["card"]
        return f"{first}, refunded: {second}, {len(card['services'])} services left"

    return [
        ("gate without the service", "service_not_on_card", lambda: _ride(at(gate))),
        ("plan and write a service", "done 7 steps planned, done 7 of 7 steps, then 0 of 0 steps", written),
        ("card of another town", "card_not_ours", other_town),
        ("ride at the gate", "9 rides, 2900 yen", lambda: _ride(at(gate))),
        ("take the ride back", "10 rides, 3000 yen", lambda: _ride(gate, kind="refund", total=0)),
        ("suspend and resume", "done, at the gate service_not_usable, done, at the gate 9 rides, 2900 yen", suspended),
        ("move out", "service_has_value, refunded: done, 0 services left", moved_out),
    ]


def _ride(gate: Page, **changes: Any) -> str:
    answer = gate.ride(NAME, **{**_RIDE, **changes})
    result = answer.get("result")
    return f"{result['rides_left']} rides, {result['value']} yen" if result else _end(answer)


def _end(answer: Json) -> str:
    problem: Json = answer.get("problem") or (answer if "code" in answer else {})
    return str(problem.get("code") or answer.get("state"))


def _steps(answer: Json) -> str:
    done, planned = answer.get("steps_done", 0), len(answer.get("plan", ()))
    return f"{planned} steps planned" if not done and planned else f"{done} of {planned} steps"
