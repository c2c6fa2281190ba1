"""Running a file of worked examples (format `mykey-cases/1`, topics taxi and zengin): `mykey taxi examples`.

A case counts when every member of its `expected` equals what the plugin answers. Kinds that only a person can carry out
are skipped and counted as such.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from mykey_core.api import TOKYO, tokyo_date
from mykey_taxi.errors import InputError, TaxiError, ZenginError
from mykey_taxi.quote import (
    as_json,
    for_any_day,
    known_members,
    ledger_for,
    quote,
    quote_all,
    read_ride,
    with_overrides,
)
from mykey_taxi.rules.age import has_attained
from mykey_taxi.rules.civil import parse_instant
from mykey_taxi.rules.judge import judge
from mykey_taxi.rules.overlap import overlapping
from mykey_taxi.rules.pack import Pack
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.settlement.cycle import cycle_of
from mykey_taxi.upload.chain import first_mismatch, hashes
from mykey_taxi.upload.clock import assess_skew
from mykey_taxi.zengin.build import build
from mykey_taxi.zengin.days import pay_day
from mykey_taxi.zengin.parse import parse
from mykey_taxi.zengin.records import Account, Payer, Payment, TransferFile
from mykey_taxi.zengin.text import Field, fitted, half_width

Json = Any
Evaluate = Callable[[Mapping[str, Any]], Json]
FORMAT: Final = "mykey-cases/1"
_PACK_CHOICE: Final = frozenset({"packs", "board", "uploaded", "fare_yen", "registered_riders"})


class Skipped(Exception):
    """The case needs a person, or words that no program can read."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case: `differences` is empty when it agrees; `skipped` says why it was not evaluated."""

    case: str
    kind: str
    rule: str
    differences: tuple[str, ...] = ()
    skipped: str | None = None


class TaxiCases:
    """The kinds of topic `taxi`, judged with one default pack."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self.kinds: dict[str, Evaluate] = {
            "ride": self.ride,
            "rides": self.rides,
            "clock": self.clock,
            "age": self.age,
            "pack_choice": self.pack_choice,
            "chain": self.chain,
            "cycle": self.cycle,
            "overlap": self.overlap,
        }

    def _packs(self, data: Mapping[str, Any]) -> PackSeries:
        return for_any_day(with_overrides(self._pack, data.get("pack", {})))

    def ride(self, data: Mapping[str, Any]) -> Json:
        """One ride."""
        return quote(self._packs(data), data)

    def rides(self, data: Mapping[str, Any]) -> Json:
        """Several rides in the order of TX-L5, and the subsidy of each operator."""
        results = quote_all(self._packs(data), data)
        totals: dict[str, int] = {}
        for entry, result in zip(data["rides"], results, strict=True):
            operator = str(entry.get("operator", ""))
            totals[operator] = totals.get(operator, 0) + result["subsidy_yen"]
        return {"results": results, "totals": totals}

    @staticmethod
    def clock(data: Mapping[str, Any]) -> Json:
        """State and corrected time of a batch."""
        verdict = assess_skew(timedelta(seconds=data["skew_s"]))
        times = [name for name in data if name != "skew_s"]
        if len(times) != 1:  # the format says "a time sent by the terminal" and leaves its name open
            raise InputError("input", f"beside skew_s there is one time, not {', '.join(times) or 'none'}")
        sent = data[times[0]]
        return {"status": verdict.state.value, "time": _tokyo(verdict.corrected(parse_instant(sent)))}

    @staticmethod
    def age(data: Mapping[str, Any]) -> Json:
        """Whether an age is attained."""
        birth, day = date.fromisoformat(data["birth"]), date.fromisoformat(data["on"])
        return {"attained": has_attained(birth, day, data["age"], data.get("age_basis", "birthday"))}

    def pack_choice(self, data: Mapping[str, Any]) -> Json:
        """Which of several packs is in force, and the subsidy by it."""
        known_members(data, _PACK_CHOICE, "")
        names = {entry["valid_from"]: entry["id"] for entry in data["packs"]}
        packs = PackSeries(with_overrides(self._pack, {"valid_to": None, **entry}) for entry in data["packs"])
        riders = [f"r{number}" for number in range(1, data.get("registered_riders", 1) + 1)]
        ride = read_ride({"meter_yen": data.get("fare_yen", 1), "riders": riders, "board": data["board"]})
        verdict = judge(packs, ledger_for(packs, {}, ride), ride)
        chosen = packs.on(tokyo_date(parse_instant(data["board"])))
        return {"pack": names[chosen.programme.valid_from.isoformat()], **as_json(ride, verdict)}

    @staticmethod
    def chain(data: Mapping[str, Any]) -> Json:
        """The hashes of records, and the first one that a stored chain has wrong."""
        records = data["records"]
        answer: dict[str, Any] = {"hashes": [hash_.hex() for hash_ in hashes(records)]}
        stored = data.get("hashes") or [record.get("hash") for record in records]
        if all(stored):
            number = first_mismatch(records, [bytes.fromhex(text) for text in stored])
            answer["first_mismatch"] = number
        return answer

    @staticmethod
    def cycle(data: Mapping[str, Any]) -> Json:
        """The cycle of a ride."""
        cycle, late = cycle_of(parse_instant(data["board"]), parse_instant(data["uploaded"]))
        return {"cycle": str(cycle), "adjustment": late}

    @staticmethod
    def overlap(data: Mapping[str, Any]) -> Json:
        """The rides that are physically impossible."""
        spans = [(ride["id"], ride["rider"], _minute(ride["board"]), _minute(ride["alight"])) for ride in data["rides"]]
        return {"flagged": sorted(set(overlapping(spans)))}


def _minute(text: str) -> int:
    """A time of day, or a whole instant, as a number that can be compared."""
    if "T" in text:
        return int(parse_instant(text).timestamp())
    hours, minutes, *seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds[0] if seconds else 0)


def _tokyo(instant: Any) -> str:
    return str(instant.astimezone(TOKYO).isoformat())


class ZenginCases:
    """The kinds of topic `zengin`; `bases` are the inputs of the file's cases by id, which other cases name."""

    def __init__(self, bases: Mapping[str, Mapping[str, Any]]) -> None:
        self._bases = bases
        self.kinds: dict[str, Evaluate] = {
            "file": self.file,
            "kana": self.kana,
            "truncate": self.truncate,
            "error": self.error,
            "business_day": self.business_day,
            "roundtrip": self.roundtrip,
            "parse_error": self.parse_error,
        }

    @staticmethod
    def file(data: Mapping[str, Any]) -> Json:
        """Sizes and hashes of a built file."""
        content = read_transfer(data)
        cut = bool(data.get("truncate", False))
        plain, lines = build(content, truncate=cut), build(content, ends="crlf", truncate=cut)
        return {"plain": _digest(plain), "crlf": _digest(lines), "base64": base64.b64encode(plain).decode()}

    @staticmethod
    def kana(data: Mapping[str, Any]) -> Json:
        """Mapped text, or the fact that it is refused."""
        try:
            return {"text": half_width(data["text"], Field(data.get("field", "name"))), "error": False}
        except ValueError:
            return {"text": None, "error": True}

    @staticmethod
    def truncate(data: Mapping[str, Any]) -> Json:
        """Mapped and cut text."""
        return {"text": fitted(data["text"], Field(data.get("field", "name")), data["width"], truncate=True)}

    @staticmethod
    def error(data: Mapping[str, Any]) -> Json:
        """Where building fails."""
        try:
            build(read_transfer(data))
        except ZenginError as error:
            return {"error": True, "record": error.record, "field": error.field}
        return {"error": False}

    @staticmethod
    def business_day(data: Mapping[str, Any]) -> Json:
        """The day of transfer."""
        day = pay_day(date.fromisoformat(data["nominal"]))
        return {"date": day.isoformat(), "mmdd": f"{day:%m%d}"}

    def roundtrip(self, data: Mapping[str, Any]) -> Json:
        """Whether a file read back has the same content."""
        content = read_transfer(self._base(data))
        built = build(content)
        return {"equal": parse(built) == parse(build(content, ends="crlf")) and build(parse(built)) == built}

    def parse_error(self, data: Mapping[str, Any]) -> Json:
        """Whether a changed file is refused; only mutations that stand in `MUTATIONS` can be carried out."""
        mutate = MUTATIONS.get(data.get("mutation", ""))
        if mutate is None:
            raise Skipped("its mutation is described in words")
        try:
            parse(mutate(build(read_transfer(self._base(data)))))
        except ZenginError:
            return {"refused": True}
        return {"refused": False}

    def _base(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        base = data.get("base", data)
        if isinstance(base, str):
            base = self._bases.get(base.split()[0])
        if not isinstance(base, Mapping):
            raise Skipped("the file that it changes is not in this file")
        return base


def _last_digit_of_total(content: bytes) -> bytes:
    position = len(content) - 240 + 18
    return content[:position] + bytes([content[position] + 1]) + content[position + 1 :]


MUTATIONS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "last digit of 合計金額 raised by one": _last_digit_of_total,
}


def read_transfer(data: Mapping[str, Any]) -> TransferFile:
    """A transfer file from `header` and `payments` as the worked examples write them."""
    try:
        head = data["header"]
        payer = Payer(head["code"], head["name"], head["mmdd"], _account(head))
        return TransferFile(payer, tuple(_payment(entry) for entry in data["payments"]))
    except KeyError as error:
        raise InputError(str(error.args[0]), "it is missing") from error


def _account(entry: Mapping[str, Any]) -> Account:
    return Account(**{name: entry[name] for name in Account.__slots__})


def _payment(entry: Mapping[str, Any]) -> Payment:
    names = ("customer1", "customer2", "edi", "new_code", "telegraphic")
    return Payment(
        _account(entry), entry["payee"], entry["amount"], **{name: entry[name] for name in names if name in entry}
    )


def _digest(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def differences(expected: Json, answer: Json, place: str = "") -> list[str]:
    """What of `expected` is not in `answer`; members that are not expected do not matter."""
    if isinstance(expected, Mapping):
        if not isinstance(answer, Mapping):
            return [f"{place}: expected an object, got {answer!r}"]
        found = []
        for name, value in expected.items():
            found += differences(value, answer.get(name, "nothing"), f"{place}.{name}".lstrip("."))
        return found
    if isinstance(expected, list) and isinstance(answer, list) and len(expected) == len(answer):
        return [
            line
            for n, pair in enumerate(zip(expected, answer, strict=True))
            for line in differences(*pair, f"{place}[{n}]")
        ]
    return [] if expected == answer else [f"{place}: expected {expected!r}, got {answer!r}"]


def run_cases(document: Mapping[str, Any], pack: Pack) -> list[Outcome]:
    """Evaluate all cases of a file; `InputError` when it is not such a file."""
    if document.get("format") != FORMAT or not isinstance(document.get("cases"), list):
        raise InputError("format", f"the file is not in the format {FORMAT}")
    topics: dict[str, Callable[[], Mapping[str, Evaluate]]] = {
        "taxi": lambda: TaxiCases(pack).kinds,
        "zengin": lambda: ZenginCases({case["id"]: case["input"] for case in document["cases"]}).kinds,
    }
    topic = topics.get(str(document.get("topic")))
    if topic is None:
        raise InputError("topic", "the topics are taxi and zengin")
    kinds = topic()
    return [_run(case, kinds.get(case["kind"])) for case in document["cases"]]


def _run(case: Mapping[str, Any], evaluate: Evaluate | None) -> Outcome:
    facts = (str(case["id"]), str(case["kind"]), str(case.get("rule", "")))
    if evaluate is None:
        return Outcome(*facts, skipped="a person carries it out")
    try:
        return Outcome(*facts, tuple(differences(case["expected"], evaluate(case["input"]))))
    except Skipped as reason:
        return Outcome(*facts, skipped=str(reason))
    except TaxiError as error:
        return Outcome(*facts, (f"{error.code}: {error}",))
    except KeyError as error:
        return Outcome(*facts, (f"input.{error.args[0]}: it is missing",))


def read_cases(path: Path) -> Mapping[str, Any]:
    """A file of cases; `InputError` when it is no JSON object."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(path.name, "it is no JSON") from error
    if not isinstance(document, Mapping):
        raise InputError(path.name, "it is no JSON object")
    return document
