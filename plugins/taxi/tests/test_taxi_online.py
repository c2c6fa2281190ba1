"""A ride at a terminal with a network: JPKI instead of the slot, a fare that is shown before it counts, vouchers."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from mykey_core.api import PluginDatabase, tokyo_date
from mykey_taxi.errors import OfferError
from mykey_taxi.offers import OFFER_LIFE, Offers, Trip
from mykey_taxi.offline import POINT
from mykey_taxi.register import Cab, M, Operator, Register, Uses, fetch
from mykey_taxi.rules.packs import shipped_packs
from mykey_taxi.tables import ride, settlement
from mykey_taxi.vouchers import LIFE, Vouchers
from mykey_testkit.hub import TerminalClient
from mykey_testkit.plugin_hub import MakeHub, PluginHub
from mykey_testkit.postgres import DatabaseUrls

DESK, RIDE = "taxi-desk", "taxi-ride"
FARE = {"meter_yen": "1430", "minutes": "15"}
on_sqlite = pytest.mark.parametrize("hub_engine", ["sqlite"], indirect=True)
"""For tests that say nothing about the database; the others run on both."""
_NOON = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


@contextmanager
def tables(hub: PluginHub) -> Iterator[PluginDatabase]:
    """The plugin's tables in one transaction of the hub."""
    runtime = hub.hub.plugins
    with hub.hub.database.writing() as session, runtime.opened(runtime.plugins["taxi"], session) as database:
        yield database


@pytest.fixture
def hub(make_hub: MakeHub, hub_database: DatabaseUrls | None) -> PluginHub:
    """A town whose service point `desk` stands for a cab; on both databases."""
    made = make_hub("taxi", database=hub_database)
    with tables(made) as database:
        register = Register(database)
        register.put_operator(Operator("op1", "前橋タクシー", "カ)マエバシ", "0128", "101", 1, "1234567", "1001"))
        register.put_cab(Cab(POINT + "desk", "op1", "前橋 500 あ 1"))
    return made


@pytest.fixture
def cab(hub: PluginHub) -> TerminalClient:
    """The cab's terminal; the adult is registered with a document seen."""
    terminal = hub.terminal()
    assert code(terminal.tap("adult", DESK, "register", documents="3")) == "taxi.enrolled"
    return terminal


def code(answer: dict[str, Any]) -> str:
    """The machine code of an answer or of a problem."""
    return str(answer["result"]["code"] if "result" in answer else answer["code"])


def numbers(answer: dict[str, Any]) -> list[Any]:
    """The values of the facts that are shown."""
    return [row["value"] for row in answer["result"]["view"][0]["rows"]]


def visit(cab: TerminalClient, persona: str = "adult") -> str:
    """The rider taps with the PIN; the visit."""
    return str(cab.tap(persona, RIDE)["result"]["visit"]["id"])


def rides(hub: PluginHub) -> list[tuple[int, int, int]]:
    """(online, subsidy, cash) of every ride that is settled."""
    with tables(hub) as database:
        query = select(ride.c.online, settlement.c.subsidy_yen, settlement.c.cash_yen).join(
            settlement, settlement.c.ride_id == ride.c.ride_id
        )
        return [
            tuple(row) for row in fetch(database, query.where(ride.c.municipality == M, settlement.c.municipality == M))
        ]


def test_a_fare_is_shown_then_settled_once(hub: PluginHub, cab: TerminalClient) -> None:
    """Tap, fare with what it costs, confirmation; asked again it answers as before, and one ride is in the month."""
    own = visit(cab)
    shown = cab.act(RIDE, "fare", own, **FARE)
    assert (code(shown), rides(hub)) == ("taxi.fare_shown", [])
    first = cab.act(RIDE, "confirm", own)
    assert (code(first), numbers(first)[:3]) == ("taxi.ride_settled", [1430, 715, 715])
    assert numbers(shown)[:3] == numbers(first)[:3]
    assert numbers(shown)[-1] - numbers(first)[-1] == 1
    assert numbers(cab.act(RIDE, "confirm", own)) == numbers(first)
    assert rides(hub) == [(1, 715, 715)]


@on_sqlite
@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"meter_yen": "0"}, "taxi.fare_invalid"),
        ({"board_zone": "outside", "alight_zone": "outside"}, "taxi.outside_area"),
        ({"minutes": "240"}, "taxi.outside_hours"),
    ],
)
def test_rides_without_subsidy_are_refused_before_they_count(
    hub: PluginHub, cab: TerminalClient, values: dict[str, str], refusal: str
) -> None:
    """Fare, area and hours of the pack decide; the refusal says what to do in three languages."""
    own = visit(cab)
    for language in ("ja", "en", "ja-Hira"):
        cab.headers["Accept-Language"] = language
        answer = cab.act(RIDE, "fare", own, **FARE | values)
        assert (code(answer), answer["result"]["outcome"]) == (refusal, "refused")
        message = answer["result"]["message"]
        assert message["title"]
        assert message["what_to_do"]
    assert code(cab.act(RIDE, "confirm", own)) == "taxi.offer_none"
    assert rides(hub) == []


def test_an_offer_ends_and_the_day_has_its_limit(hub: PluginHub, cab: TerminalClient) -> None:
    """Amounts that were shown too long ago count no more; after the last ride of the day the fare is refused."""
    own = visit(cab)
    cab.act(RIDE, "fare", own, **FARE)
    hub.clock.move(OFFER_LIFE)
    assert code(cab.act(RIDE, "confirm", visit(cab))) == "taxi.offer_expired"
    refused = ""
    for number in range(10):
        own = visit(cab)
        refused = code(cab.act(RIDE, "fare", own, **FARE))
        if refused != "taxi.fare_shown":
            break
        assert code(cab.act(RIDE, "confirm", own)) == "taxi.ride_settled"
        assert len(rides(hub)) == number + 1
    assert refused == "taxi.daily_limit"


@on_sqlite
@pytest.mark.usefixtures("cab")
def test_a_terminal_that_is_no_cab(hub: PluginHub) -> None:
    """It shows the account without a visit; nobody would know whom to pay."""
    hub.hub.terminals.define_service_point("hall", {"ja": "ロビー", "en": "Hall"}, [RIDE])
    hall = hub.terminal("hall")
    answer = hall.tap("adult", RIDE)
    assert (code(answer), answer["result"].get("visit")) == ("taxi.account", None)
    assert code(hall.act(RIDE, "voucher", code="0" * 20, **FARE)) == "taxi.cab_unknown"


# -- riding together ----------------------------------------------------------------------------------------


@pytest.fixture
def two(cab: TerminalClient) -> TerminalClient:
    """Somebody else is registered too."""
    assert code(cab.tap("former-name", DESK, "register", documents="3")) == "taxi.enrolled"
    return cab


def test_two_ride_together_online(hub: PluginHub, two: TerminalClient) -> None:
    """The first joins with card and PIN, the second goes on to the fare: 500 yen for each, one use each, one ride."""
    joined = two.act(RIDE, "aboard", visit(two))
    assert (code(joined), numbers(joined)) == ("taxi.aboard", [1])
    own = visit(two, "former-name")
    shown = two.act(RIDE, "fare", own, **FARE)
    assert numbers(shown)[:4] == [1430, 1000, 430, 2]
    assert rides(hub) == []
    for _ in range(2):
        settled = two.act(RIDE, "confirm", own)
        assert (code(settled), numbers(settled)[:4]) == ("taxi.ride_settled", [1430, 1000, 430, 2])
    assert rides(hub) == [(1, 1000, 430)]
    with tables(hub) as database:
        uses = Uses(database).on(tokyo_date(hub.clock()).toordinal())
    assert sorted(uses.values()) == [1, 1]
    alone = two.act(RIDE, "fare", visit(two), **FARE)
    assert numbers(alone)[:3] == [1430, 715, 715], "the ride together is over"


@on_sqlite
def test_joining_twice_counts_once_and_can_be_undone(two: TerminalClient) -> None:
    """The same card twice is one rider; after `alone`, or ten minutes later, nobody has joined."""
    for _ in range(2):
        assert numbers(two.act(RIDE, "aboard", visit(two))) == [1]
    assert numbers(two.act(RIDE, "fare", visit(two), **FARE))[:3] == [1430, 715, 715]
    assert numbers(two.act(RIDE, "fare", visit(two, "former-name"), **FARE))[3] == 2
    assert code(two.act(RIDE, "alone", visit(two))) == "taxi.alone"
    assert numbers(two.act(RIDE, "fare", visit(two, "former-name"), **FARE))[:3] == [1430, 715, 715]


@on_sqlite
def test_who_joined_too_long_ago_does_not_ride_together(hub: PluginHub, two: TerminalClient) -> None:
    """A rider who joined and left without a fare is not in the next ride, and the old amounts hold no more."""
    two.act(RIDE, "aboard", visit(two))
    own = visit(two, "former-name")
    assert numbers(two.act(RIDE, "fare", own, **FARE))[3] == 2
    hub.clock.move(OFFER_LIFE)
    own = visit(two, "former-name")
    assert code(two.act(RIDE, "confirm", own)) == "taxi.offer_expired"
    assert numbers(two.act(RIDE, "fare", own, **FARE))[:3] == [1430, 715, 715]


@on_sqlite
def test_whoever_is_at_the_limit_rides_as_a_companion(hub: PluginHub, two: TerminalClient) -> None:
    """After two rides of the day the first does not count; the other one is subsidised alone (TX-C2, TX-L4)."""
    for _ in range(2):
        own = visit(two)
        two.act(RIDE, "fare", own, **FARE)
        two.act(RIDE, "confirm", own)
    two.act(RIDE, "aboard", visit(two))
    own = visit(two, "former-name")
    assert numbers(two.act(RIDE, "fare", own, **FARE))[:3] == [1430, 715, 715]
    two.act(RIDE, "confirm", own)
    assert rides(hub) == [(1, 715, 715)] * 3


# -- vouchers -----------------------------------------------------------------------------------------------


def issue(cab: TerminalClient) -> str:
    """A voucher from the counter."""
    answer = cab.tap("adult", DESK, "voucher")
    assert code(answer) == "taxi.voucher_issued"
    return str(numbers(answer)[0])


def waiting(hub: PluginHub) -> list[str]:
    """What waits for the second step."""
    with tables(hub) as database:
        return [row.offer_id for row in Vouchers(shipped_packs(), database).waiting()]


def test_a_voucher_needs_two_steps(hub: PluginHub, cab: TerminalClient) -> None:
    """The driver's step counts nothing; the clerk's page settles it once; the code is not stored and works once."""
    secret = issue(cab)
    taken = cab.act(RIDE, "voucher", code=secret.lower(), **FARE)
    assert (code(taken), numbers(taken)) == ("taxi.voucher_reserved", [1430, 715, 715])
    assert code(cab.act(RIDE, "voucher", code=secret, **FARE)) == "taxi.voucher_reserved"
    assert code(cab.act(RIDE, "voucher", code=secret, **FARE | {"meter_yen": "5000"})) == "taxi.voucher_used"
    assert rides(hub) == []
    (own,) = waiting(hub)
    assert secret.replace("-", "") not in own
    clerk = hub.staff("clerk")
    assert own in clerk.get("/counter/taxi/").get_data(as_text=True)
    for _ in range(2):
        clerk.post("/counter/taxi/voucher", {"voucher": own, "act": "approve"})
    assert (rides(hub), waiting(hub)) == ([(1, 715, 715)], [])
    assert code(cab.act(RIDE, "voucher", code=secret, **FARE)) == "taxi.voucher_used"


@on_sqlite
def test_a_refused_voucher_stays_used(hub: PluginHub, cab: TerminalClient) -> None:
    """Nobody is paid, and the code cannot be tried again."""
    secret = issue(cab)
    cab.act(RIDE, "voucher", code=secret, **FARE)
    hub.staff("clerk").post("/counter/taxi/voucher", {"voucher": waiting(hub)[0], "act": "refuse"})
    assert (rides(hub), waiting(hub)) == ([], [])
    assert code(cab.act(RIDE, "voucher", code=secret, **FARE)) == "taxi.voucher_used"


def test_the_rider_makes_and_approves_a_voucher(hub: PluginHub, cab: TerminalClient) -> None:
    """The page shows the QR code; its own rider may take the second step, another citizen may not."""
    rider = hub.citizen("adult")
    page = rider.post("/my/taxi/voucher", {}).get_data(as_text=True)
    found = re.search(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){4}", page)
    assert found is not None
    assert "<svg" in page
    assert code(cab.act(RIDE, "voucher", code=found[0], **FARE)) == "taxi.voucher_reserved"
    form = {"voucher": waiting(hub)[0], "act": "approve"}
    hub.citizen("long-name").post("/my/taxi/voucher/decide", form)
    assert rides(hub) == []
    assert form["voucher"] in rider.get("/my/taxi/").get_data(as_text=True)
    rider.post("/my/taxi/voucher/decide", form)
    assert rides(hub) == [(1, 715, 715)]


@on_sqlite
def test_expired_and_foreign_vouchers(hub: PluginHub, cab: TerminalClient) -> None:
    """A code of no voucher of this town, and one of yesterday."""
    assert code(cab.act(RIDE, "voucher", code="Z" * 20, **FARE)) == "taxi.voucher_unknown"
    secret = issue(cab)
    hub.clock.move(LIFE)
    cab.sign_in()
    assert code(cab.act(RIDE, "voucher", code=secret, **FARE)) == "taxi.voucher_expired"
    assert waiting(hub) == []


@on_sqlite
def test_only_the_registered_get_vouchers(hub: PluginHub) -> None:
    """Whoever is not registered has nothing to be approved."""
    assert code(hub.terminal().tap("long-name", DESK, "voucher")) == "not_registered"


def test_two_drivers_and_two_approvals_at_once(taxi_town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two cabs that take one code, one has it; of two approvals at once, one makes the ride."""
    rider = taxi_town.add_rider("a")
    with taxi_town.begin() as database:
        for number in range(2):
            Register(database).put_cab(Cab(f"{POINT}cab{number}", "op0", f"{number}"))
    at = _NOON
    with taxi_town.begin() as database:
        secret = Vouchers(taxi_town.packs, database).issue(rider, at)
    trip = Trip(1430, 0, "inside", "inside", at, at)
    real, both = Offers.price, threading.Barrier(2)

    def price(self: Offers, *values: Any) -> Any:
        with suppress(threading.BrokenBarrierError):  # SQLite lets one write at a time, so the other does not come
            both.wait(0.3)
        return real(self, *values)

    monkeypatch.setattr(Offers, "price", price)  # both have seen the voucher as issued

    def reserve(number: int) -> str:
        with taxi_town.begin() as database:
            try:
                return str(Vouchers(taxi_town.packs, database).reserve(secret, f"cab{number}", trip, at).offer_id)
            except OfferError as error:
                return error.code

    taken = _both(reserve)
    own = next(one for one in taken if len(one) == 64)
    assert min(taken, key=len) == "taxi.voucher_used"

    def approve(_: int) -> bool:
        with taxi_town.begin() as database:
            return Vouchers(taxi_town.packs, database).approve(own, at) is not None

    assert sorted(_both(approve)) == [False, True]
    with taxi_town.begin() as database:
        assert Offers(taxi_town.packs, database).get(own).state == "settled"
        account = Register(database)
        assert account.cab(f"{POINT}cab0") is not None


def _both(act: Any) -> list[Any]:
    done: list[Any] = []
    start = threading.Barrier(2)

    def run(number: int) -> None:
        start.wait()
        done.append(act(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 2
    return done
