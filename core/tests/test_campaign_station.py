"""A campaign at real PC/SC readers: cards come and go in two virtual readers, fed like by an operator."""

from __future__ import annotations

import json
import queue
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from mykey_cardap.emulator.globalplatform.cards import DEFAULT_KEY, DEFAULT_KEY_VERSION
from mykey_cardap.emulator.in_process import InProcessTransport
from mykey_cardap.emulator.service_application.fresh_cards import load_file_image, make_fresh_card
from mykey_cardap.errors import CardRemovedError
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.security_domain import SecurityDomainSession
from mykey_cardap.service_application.numbers import AID
from mykey_cardap.transport import Transport
from mykey_core.audit.records import records_since
from mykey_core.card_writing.campaign_cli import campaign
from mykey_core.card_writing.campaigns.audit import record_begin, record_end
from mykey_core.card_writing.campaigns.card_list import ListedCard
from mykey_core.card_writing.campaigns.hold import hold, is_held, release
from mykey_core.card_writing.campaigns.journal import Journal
from mykey_core.card_writing.campaigns.readers import pcsc_readers
from mykey_core.card_writing.campaigns.run import StopRules
from mykey_core.card_writing.campaigns.setup import Setup
from mykey_core.card_writing.campaigns.station import Station, Visit
from mykey_core.card_writing.desk import CardDesk
from mykey_core.card_writing.domain_desk import LOAD_FILE, MODULE, application_header
from mykey_core.card_writing.errors import CampaignError, WritingRefused
from mykey_core.card_writing.keys.generations import Generations
from mykey_core.card_writing.keys.provider import ProviderKind
from mykey_core.card_writing.profiles import DEMO
from mykey_core.card_writing.writer import write_card
from mykey_core.hub import upgrade_database
from mykey_core.settings import load_settings
from mykey_core.storage.database import open_database
from mykey_testkit.card_writing import MASTERS, OTHER_TOWN, TOWN, EmulatedCard, Reader, pulled_after, town_keys
from mykey_testkit.clock import ManualClock
from mykey_testkit.pcsc import PORTS, READERS, PrivatePcscd
from mykey_web.setup import write_new_hub

SERIALS = [f"04A1B2C3D4E5{number:02X}" for number in range(8)]
COLUMNS = {"number": "A-1", "valid_until": "2030-03-31", "class": "2", "value": "500"}


def _setup(**changes: object) -> Setup:
    facts = {"campaign": "c", "municipality": str(TOWN), "profile_name": "demo", "profile": DEMO, "simulated": False}
    return Setup(**facts | {"provider": ProviderKind.SOFTWARE, "generation": 1, "cards": 3} | changes)  # type: ignore[arg-type]


def _journal(folder: Path, cards: Iterable[ListedCard]) -> Journal:
    folder.mkdir(exist_ok=True)
    listed = list(cards)
    return Journal.create(folder, listed, _setup(cards=len(listed)).as_facts())


def _listed(*serials: str) -> list[ListedCard]:
    return [ListedCard(serial, COLUMNS) for serial in serials]


class Feeder:
    """A reader without PC/SC: takes the next card of a pile when the one before was told of."""

    def __init__(self, name: str, pile: Iterable[Callable[[], Transport]]) -> None:
        self.name = name
        self._pile = iter(pile)
        self._next: Callable[[], Transport] | None = None

    def wait(self, stop: threading.Event, *, present: bool) -> bool:
        if present:
            self._next = next(self._pile, None)
            if self._next is None:
                stop.wait(10)
        return not stop.is_set()

    @contextmanager
    def card(self) -> Iterator[Transport]:
        assert self._next is not None
        yield self._next()


def _station(journal: Journal, told: list[Visit], **options: object) -> Station:
    setup = Setup.from_facts(journal.facts())

    def begin(transport: Transport, row: object, _fresh: bool) -> object:  # noqa: FBT001 - a `Begin`
        desk = CardDesk(transport, town_keys(1, 2), owner=TOWN)
        return write_card(desk, setup.job(row, dry_run=bool(options.get("dry_run"))))  # type: ignore[arg-type]

    return Station(journal, TOWN, StopRules(canary_share=0), begin, told.append, **options)  # type: ignore[arg-type]


def _cards(told: list[Visit]) -> list[tuple[str, int | None, str | None]]:
    return [(visit.state, visit.line, visit.code) for visit in told if visit.state != "ready"]


def test_cards_of_any_order_and_kind(tmp_path: Path) -> None:
    """Listed cards are written, whatever the order; a strange, a foreign and a finished card change nothing."""
    own = [EmulatedCard(serial=bytes.fromhex(serial)) for serial in SERIALS[:4]]
    foreign = EmulatedCard(serial=bytes.fromhex(SERIALS[4]), issuer=OTHER_TOWN)
    journal = _journal(tmp_path / "out", _listed(*SERIALS[:3]))
    pile = [own[2].insert, own[3].insert, foreign.insert, own[2].insert, own[0].insert, own[1].insert]
    told: list[Visit] = []
    before = [card.memory.image() for card in (own[3], foreign)]
    station = _station(journal, told)
    assert station.run([Feeder("one", pile)]) is None
    assert _cards(told) == [
        ("done", 3, None),
        ("refused", None, "card_not_listed"),
        ("refused", None, "card_not_ours"),
        ("refused", 3, "card_written_before"),
        ("done", 1, None),
        ("done", 2, None),
    ]
    assert [card.memory.image() for card in (own[3], foreign)] == before
    assert journal.count() == {"done": 3}
    assert station.turned_away == {"card_not_listed": 1, "card_not_ours": 1, "card_written_before": 1}
    journal.close()


def test_a_card_that_was_pulled_is_finished_when_it_comes_again(tmp_path: Path) -> None:
    """The first visit leaves the card unknown, the second does what is missing."""
    card = EmulatedCard(serial=bytes.fromhex(SERIALS[0]))
    journal = _journal(tmp_path / "out", _listed(SERIALS[0]))
    told: list[Visit] = []
    pile = [lambda: Reader(card.insert(), 14, pulled_after), card.insert]
    assert _station(journal, told).run([Feeder("one", pile)]) is None
    assert [(state, code) for state, _, code in _cards(told)] == [("unknown", "card_pulled"), ("done", None)]
    assert card.commits() == (2, 6)
    journal.close()


def test_a_stop_rule_ends_the_work_at_every_reader(tmp_path: Path) -> None:
    """Cards that refuse our proof: quarantined, one EXTERNAL AUTHENTICATE each, and the third ends the run."""
    journal = _journal(tmp_path / "out", _listed(*SERIALS))
    told: list[Visit] = []
    readers: list[Reader] = []

    def refusing(serial: str) -> Callable[[], Transport]:
        card = EmulatedCard(serial=bytes.fromhex(serial))

        def insert() -> Transport:
            reader = Reader(card.insert())
            way = reader.card.send_apdu
            reader.card = _Answering(way)
            readers.append(reader)
            return reader

        return insert

    piles = [refusing(serial) for serial in SERIALS]
    assert _station(journal, told).run([Feeder("one", piles)]) == "quarantined"
    assert [state for state, _, _ in _cards(told)] == ["quarantined"] * 3
    assert [reader.sent(0x82) for reader in readers] == [1, 1, 1]
    again: list[Visit] = []
    station = _station(journal, again)
    station.run([Feeder("one", [piles[0], lambda: _stopping(station)])])
    assert _cards(again)[0] == ("refused", 1, "card_quarantined")
    assert [reader.sent(0x82) for reader in readers] == [1, 1, 1, 0]
    journal.close()


def test_a_campaign_that_is_held_begins_no_further_card(tmp_path: Path) -> None:
    """Held while the first card is written: that one is finished, the second stays as it is, and a release goes on."""
    out = tmp_path / "out"
    cards = [EmulatedCard(serial=bytes.fromhex(serial)) for serial in SERIALS[:2]]
    journal = _journal(out, _listed(*SERIALS[:2]))

    def held_meanwhile() -> Transport:
        hold(out)
        return cards[0].insert()

    pile = [held_meanwhile, cards[1].insert]
    untouched = cards[1].memory.image()
    assert _station(journal, [], held=partial(is_held, out)).run([Feeder("one", pile)]) == "held"
    assert journal.count() == {"done": 1, "waiting": 1}
    assert cards[1].memory.image() == untouched
    assert release(out)
    assert _station(journal, [], held=partial(is_held, out)).run([Feeder("one", [cards[1].insert])]) is None
    assert journal.count() == {"done": 2}
    journal.close()


def test_simulated_cards_are_held_too(tmp_path: Path) -> None:
    """A run of a held campaign writes nothing and says why; released, it writes all."""
    out = tmp_path / "out"
    arguments = ["run", "--simulate", "12", "--workers", "1", "--out", str(out)]
    out.mkdir()
    assert hold(out)
    assert not hold(out)
    stopped = CliRunner().invoke(campaign, arguments)
    assert (stopped.exit_code, "'held'" in stopped.output) == (3, True)
    assert release(out)
    assert CliRunner().invoke(campaign, arguments).exit_code == 0
    journal = Journal(out)
    assert journal.count() == {"done": 12}
    journal.close()


def test_a_bad_canary_stops_the_readers(tmp_path: Path) -> None:
    """The first cards must all succeed: one that does not ends the run before the next is touched."""
    journal = _journal(tmp_path / "out", _listed(*SERIALS))
    cards = [EmulatedCard(serial=bytes.fromhex(serial)) for serial in SERIALS]
    told: list[Visit] = []
    station = _station(journal, told)
    station.rules = StopRules(canary_share=1.0)
    pile = [cards[0].insert, lambda: Reader(_Answering(cards[1].insert().send_apdu)), cards[2].insert]
    assert station.run([Feeder("one", pile)]) == "canary"
    assert [state for state, _, _ in _cards(told)] == ["done", "quarantined"]
    assert cards[2].commits()[1] == 0
    journal.close()


class _Answering:
    """Answers 6300 to EXTERNAL AUTHENTICATE."""

    def __init__(self, way: Callable[[bytes], bytes]) -> None:
        self._way = way

    def send_apdu(self, command: bytes) -> bytes:
        return b"\x63\x00" if command[1] == 0x82 else self._way(command)


def _stopping(station: Station) -> Transport:
    station.stop.set()
    raise CardRemovedError("the end of the pile")


def test_keys_are_rotated_in_the_field(tmp_path: Path) -> None:
    """A list that is run with the next generation gives cards of the old one new keys, once."""
    card = EmulatedCard(serial=bytes.fromhex(SERIALS[0]))
    for generation, steps in ((1, 7), (2, 6)):
        folder = tmp_path / str(generation)
        folder.mkdir()
        facts = _setup(cards=1, generation=generation).as_facts()
        journal = Journal.create(folder, _listed(SERIALS[0]), facts)
        told: list[Visit] = []
        assert _station(journal, told).run([Feeder("one", [card.insert])]) is None
        assert [(visit.state, visit.steps) for visit in told if visit.line] == [("done", steps)]
        journal.close()
    header = application_header(card.insert())
    assert header is not None
    assert header.generations == (2,)


def test_a_dry_run_only_tells(tmp_path: Path) -> None:
    """The missing steps are told, the card and the journal stay as they are."""
    card = EmulatedCard(serial=bytes.fromhex(SERIALS[0]))
    journal = _journal(tmp_path / "out", _listed(SERIALS[0]))
    told: list[Visit] = []
    station = _station(journal, told, dry_run=True)
    station.run([Feeder("one", [card.insert, lambda: _stopping(station)])])
    planned = next(visit for visit in told if visit.state == "planned")
    assert (planned.plan[0], planned.plan[-1], len(planned.plan)) == ("create:0301:K0:g1", "activate:0301", 7)
    assert (card.commits()[1], journal.count()) == (0, {"waiting": 1})
    journal.close()


def test_fresh_cards_are_told_by_their_chip(tmp_path: Path) -> None:
    """A listed chip, one that is not, and one whose application has no key yet: that is still a fresh card."""
    journal = _journal(tmp_path / "out", _listed(SERIALS[0]))
    station = _station(journal, [], fresh_cards=True)
    chip = bytes.fromhex("0123456789abcdef")
    station._chips = {chip.hex().upper(): SERIALS[0]}
    assert station._identify(InProcessTransport(make_fresh_card(chip))) == (SERIALS[0], True)
    with pytest.raises(WritingRefused) as refused:
        station._identify(InProcessTransport(make_fresh_card(bytes(8))))
    assert refused.value.code == "card_not_listed"
    begun = InProcessTransport(make_fresh_card(chip))
    domain = SecurityDomainSession(begun)
    domain.authenticate(ScpKeys(DEFAULT_KEY, DEFAULT_KEY, DEFAULT_KEY))
    domain.install_for_load(LOAD_FILE)
    domain.load(load_file_image())
    domain.install(LOAD_FILE, MODULE, AID, parameters=bytes.fromhex(SERIALS[0]) + TOWN.to_bytes(3, "big"))
    assert station._identify(begun) == (SERIALS[0], True)
    journal.close()


def test_a_lost_master_key_stops_the_run_and_costs_no_card(tmp_path: Path) -> None:
    """Keys that cannot be had end the work at all readers; the card stays unfinished, to be written later."""
    folder = tmp_path / "out"
    folder.mkdir()
    journal = Journal.create(folder, _listed(*SERIALS[:2]), _setup(cards=2, generation=3).as_facts())
    cards = [EmulatedCard(serial=bytes.fromhex(serial)) for serial in SERIALS[:2]]
    told: list[Visit] = []
    assert _station(journal, told).run([Feeder("one", [card.insert for card in cards])]) == "keys"
    assert [(visit.state, visit.line) for visit in told if visit.state != "ready"] == [("problem", 1)]
    assert "3" in told[-1].problem
    assert journal.count() == {"intent": 1, "waiting": 1}
    assert cards[1].commits()[1] == 0
    journal.close()


def test_one_card_is_written_by_one_reader_at_a_time(tmp_path: Path) -> None:
    """Two cards that tell one serial (a clone, or one card in two fields): the second is turned away meanwhile."""
    card, clone = (EmulatedCard(serial=bytes.fromhex(SERIALS[0])) for _ in range(2))
    journal = _journal(tmp_path / "out", _listed(SERIALS[0]))
    told: list[Visit] = []
    station = _station(journal, told)
    clones = Feeder("two", [clone.insert])
    commands: list[bytes] = []

    def beside(command: bytes, way: Callable[[bytes], bytes]) -> bytes:
        """While the first card is in the middle of its writing, the other reader gets the clone."""
        clones.wait(station.stop, present=True)
        told.append(station._visit(clones))
        commands.append(command)
        return way(command)

    assert station.run([Feeder("one", [lambda: Reader(card.insert(), 14, beside)])]) is None
    assert len(commands) == 1
    assert _cards(told) == [("refused", 1, "card_written_before"), ("done", 1, None)]
    assert (clone.commits()[1], card.commits()) == (0, (2, 6))
    journal.close()


def test_a_fault_of_ours_ends_all_readers(tmp_path: Path) -> None:
    """When the journal cannot be written nobody goes on writing cards."""
    journal = _journal(tmp_path / "out", _listed(*SERIALS))
    journal.commit = lambda _moves: (_ for _ in ()).throw(OSError("disk full"))  # type: ignore[method-assign]
    cards = [EmulatedCard(serial=bytes.fromhex(serial)) for serial in SERIALS]
    with pytest.raises(OSError, match="disk full"):
        _station(journal, []).run([Feeder(name, [card.insert for card in cards]) for name in ("one", "two")])
    assert [card.commits()[1] for card in cards] == [0] * len(cards)
    journal.close()


def test_readers_are_found_by_a_part_of_their_name(private_pcscd: PrivatePcscd) -> None:
    """One, all, none, and the same one twice."""
    assert private_pcscd
    assert [reader.name for reader in pcsc_readers(("00 01",))] == [READERS[1]]
    assert [reader.name for reader in pcsc_readers(())] == list(READERS)
    for wrong in (("PCD",), ("none",), ("00 01", READERS[1])):
        with pytest.raises(CampaignError):
            pcsc_readers(wrong)


@pytest.mark.timeout(120)
def test_two_readers_write_a_list(private_pcscd: PrivatePcscd, tmp_path: Path) -> None:
    """Through PC/SC: two readers, one card that is not listed, one that is pulled and put back; all listed are done."""
    journal = _journal(tmp_path / "out", _listed(*SERIALS[:4]))
    piles = [
        [("town", SERIALS[0]), ("town", SERIALS[7]), ("town", SERIALS[1])],
        [("town", SERIALS[2], "14"), ("other", SERIALS[6]), ("town", SERIALS[3])],
    ]
    events: queue.Queue[Visit] = queue.Queue()
    station = _station(journal, [])
    station.tell = events.put
    thread = threading.Thread(target=station.run, args=(pcsc_readers(()),))
    thread.start()
    told: list[Visit] = []
    while thread.is_alive() or not events.empty():
        try:
            visit = events.get(timeout=0.1)
        except queue.Empty:
            continue
        told.append(visit)
        slot = READERS.index(visit.reader)
        if visit.state == "unknown":
            continue  # this card comes back by itself
        private_pcscd.remove(slot)
        if piles[slot]:
            kind, *rest = piles[slot].pop(0)
            program = [sys.executable, "-m", "mykey_testkit.reader_card", kind, str(PORTS[slot]), *rest]
            private_pcscd.insert_program(program, slot=slot)
    thread.join()
    cards = _cards(told)
    assert sorted(line for state, line, _ in cards if state == "done") == [1, 2, 3, 4]  # type: ignore[type-var]
    assert ("unknown", 3, "card_pulled") in cards
    assert {code for state, _, code in cards if state == "refused"} <= {"card_not_listed", "card_not_ours"}
    assert [row.attempts for row in journal.rows()] == [1, 1, 2, 1]
    journal.close()


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A hub's folder whose keys are those of the published master."""
    folder, ca = tmp_path / "hub", tmp_path / "ca.pem"
    ca.write_text("unused")
    write_new_hub(
        folder, municipality=str(TOWN), titles={"ja": "町"}, origin="https://h.example.jp", ca=[ca], environment="test"
    )
    settings = load_settings(folder / "hub.toml")
    upgrade_database(settings)
    keys = settings.card_writing.open_keys(settings.municipality)
    keys.add_master(1, MASTERS[1])
    database = open_database(settings.database_url, settings.municipality)
    with database.writing() as session:
        Generations(settings.municipality).add(session, 1, keys, ManualClock().now)
    database.dispose()
    return folder


def _campaign(*arguments: object) -> Result:
    return CliRunner().invoke(campaign, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.timeout(120)
def test_a_fresh_card_from_the_command_line(private_pcscd: PrivatePcscd, town: Path, tmp_path: Path) -> None:
    """A card with nothing but issuer keys gets our application and the service; run again, there is nothing to do."""
    chip = "0123456789ABCDEF"
    cards, cap, issuer = tmp_path / "cards.csv", tmp_path / "mykey.cap", tmp_path / "issuer.json"
    cards.write_text(f"card,number,chip\n{SERIALS[0]},A-1,{chip.lower()}\n")
    cap.write_bytes(load_file_image())
    issuer.write_text(
        json.dumps({"current": {"version": DEFAULT_KEY_VERSION, "scheme": "static", "key": DEFAULT_KEY.hex()}})
    )
    issuer.chmod(0o600)
    out = tmp_path / "out"
    arguments = ["run", "--cards", cards, "--config", town / "hub.toml", "--reader", "00 00", "--out", out]
    fresh = ["--issuer-keys", issuer, "--load-file", cap, "--language", "en"]
    program = [sys.executable, "-m", "mykey_testkit.reader_card", "fresh", str(PORTS[0]), chip]
    private_pcscd.insert_program(program)
    done = _campaign(*arguments, *fresh)
    assert done.exit_code == 0, done.output
    assert "#1 written (10 steps)" in done.output
    assert _campaign(*arguments, *fresh).output.startswith("going on with")
    key = done.output.split("verifier key: ")[1].strip()
    assert _campaign("verify", "--out", out, "--key", key).exit_code == 0
    begun, ended = ("card_campaign.begun", None), ("card_campaign.ended", ["done/1"])
    assert _audited(town) == [begun, ended, begun, ended]
    private_pcscd.remove()


def _audited(town: Path) -> list[tuple[str, object]]:
    """What the hub's audit log has of campaigns."""
    settings = load_settings(town / "hub.toml")
    database = open_database(settings.database_url, settings.municipality)
    with database.reading() as session:
        records = records_since(session, settings.municipality, datetime(2020, 1, 1, tzinfo=UTC))
    database.dispose()
    return [(one.event, one.facts.get("states")) for one in records if one.event.startswith("card_campaign.")]


def test_a_campaign_is_in_the_audit_log(town: Path) -> None:
    """Which one, with which keys, how many cards, how it stands and why it stopped; a simulated one is nobody's."""
    setup = _setup(cards=3)
    record_begin(setup)
    assert _audited(town) == []
    real = replace(setup, campaign=str(uuid4()), config=str(town / "hub.toml"), simulated=False)
    record_begin(real)
    record_end(real, {"done": 1, "waiting": 2}, "quarantined")
    assert _audited(town) == [("card_campaign.begun", None), ("card_campaign.ended", ["done/1", "waiting/2"])]


def test_what_is_refused_before_any_card(town: Path, tmp_path: Path) -> None:
    """Options that do not fit, a town without keys, a list without chips: told at once, and no folder is made."""
    cards, cap, issuer = tmp_path / "cards.csv", tmp_path / "mykey.cap", tmp_path / "issuer.json"
    cards.write_text(f"card,number\n{SERIALS[0]},A-1\n")
    cap.write_bytes(b"no CAP file")
    image = tmp_path / "image.cap"
    image.write_bytes(load_file_image())
    issuer.write_text("{}")
    issuer.chmod(0o600)
    good = tmp_path / "good.json"
    good.write_text(json.dumps({"current": {"version": 48, "scheme": "static", "key": DEFAULT_KEY.hex()}}))
    good.chmod(0o600)
    out = tmp_path / "out"
    config = ["--config", town / "hub.toml"]
    run = ["run", "--cards", cards, "--out", out]
    wrong = {
        "issuer_keys": [*run, *config, "--issuer-keys", issuer, "--load-file", cap],
        "CAP": [*run, *config, "--issuer-keys", good, "--load-file", cap],
        "chip": [*run, *config, "--issuer-keys", good, "--load-file", image],
        "both": [*run, *config, "--issuer-keys", issuer],
        "--issuer-keys": [*run, *config, "--secure"],
        "simulated": [*run, "--simulated", "--dry-run"],
        "hub init": [*run, "--config", tmp_path / "none.toml"],
    }
    for message, arguments in wrong.items():
        refused = _campaign(*arguments)
        assert (refused.exit_code, message in refused.output) == (1, True), refused.output
    assert not out.exists()


@pytest.mark.timeout(120)
def test_a_killed_station_goes_on_with_the_same_card(private_pcscd: PrivatePcscd, town: Path, tmp_path: Path) -> None:
    """SIGKILL while a card in a reader is being written: the next run reads it and does what is missing, once."""
    cards, out = tmp_path / "cards.csv", tmp_path / "out"
    cards.write_text(f"card,number\n{SERIALS[0]},A-1\n")
    program = [sys.executable, "-m", "mykey_testkit.reader_card", "town", str(PORTS[0]), SERIALS[0], "0", "60"]
    private_pcscd.insert_program(program)
    arguments = ["run", "--cards", cards, "--config", town / "hub.toml", "--reader", "00 00", "--out", out]
    first = subprocess.Popen(
        [sys.executable, "-m", "mykey_core", "campaign", *map(str, arguments)], stdout=subprocess.DEVNULL
    )
    while first.poll() is None and _steps(out) < 3:
        time.sleep(0.02)
    first.kill()
    first.wait()
    assert 0 < _steps(out) < 7
    done = _campaign(*arguments)
    assert done.exit_code == 0, done.output
    journal = Journal(out)
    row = journal.rows()[0]
    journal.close()
    assert (row.state, row.attempts) == ("done", 2)
    private_pcscd.remove()


def _steps(folder: Path) -> int:
    """Steps done so far, as the journal tells."""
    if not (folder / "journal.sqlite3").exists():
        return 0
    with closing(sqlite3.connect(folder / "journal.sqlite3")) as connection:
        return int(connection.execute("SELECT steps FROM card").fetchone()[0])
