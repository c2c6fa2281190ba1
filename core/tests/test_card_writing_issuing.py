"""From a fresh card with issuer keys to a card with our application, its keys and a service; cut at every APDU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mykey_cardap.emulator.globalplatform.cards import DEFAULT_KEY, DEFAULT_KEY_VERSION
from mykey_cardap.emulator.globalplatform.contents import CardState
from mykey_cardap.emulator.service_application.fresh_cards import load_file_image, make_fresh_card
from mykey_cardap.globalplatform.security_domain import DataObject, SecurityDomainSession
from mykey_cardap.service_application.numbers import AID, LifeCycle
from mykey_core.card_writing.desk import CardDesk
from mykey_core.card_writing.domain_desk import LOAD_FILE, MODULE, DomainDesk, IssuerKeys, IssuerKeySet, chip_number
from mykey_core.card_writing.errors import CardKeysUnavailable, WritingCode
from mykey_core.card_writing.issuing import FoundDomain, IssueJob, Issuing, issue_and_write, issue_card
from mykey_core.card_writing.plan import Step, StepKind
from mykey_core.card_writing.profiles import DEMO
from mykey_core.card_writing.writer import Ending, Entry, Found
from mykey_core.errors import ConfigurationError
from mykey_testkit.card_writing import OTHER_TOWN, SERIAL, TOWN, Reader, cuts, town_keys, write, write_job

CHIP = bytes.fromhex("0123456789abcdef")
CURRENT = IssuerKeySet(DEFAULT_KEY_VERSION, DEFAULT_KEY)
WANTED = IssuerKeySet(0x31, bytes(range(16)), diversified=True)
KEYS = IssuerKeys(CURRENT, WANTED)
STEPS = [
    *("issuer-keys:0000", "load:0000", "install:0000", "personalize:0000", "card-state:0007", "card-state:000F"),
    *("create:0301:K0:g1", "put-key:0301:K1:g1", "put-key:0301:K2:g1", "put-key:0301:K3:g1", "put-key:0301:K4:g1"),
    *("profile:0301", "activate:0301"),
]


class _Powered:
    """A fresh card in a reader; taking it out and putting it back in is a power cycle."""

    def __init__(self) -> None:
        self.card = make_fresh_card(CHIP)

    def insert(self) -> _Powered:
        if self.card.powered:
            self.card.power_off()
        self.card.power_on()
        return self

    def send_apdu(self, command: bytes) -> bytes:
        return self.card.process(command)


def _job(**changes: object) -> IssueJob:
    return IssueJob(
        **{"serial": SERIAL, "issuer": TOWN, "generation": 1, "code": load_file_image(), "secure": True} | changes
    )  # type: ignore[arg-type]


def _run(
    transport: Reader | _Powered, issue: IssueJob | None = None, keys: IssuerKeys = KEYS
) -> tuple[list[str], list[Entry], Ending]:
    """Plan steps, journal entries, end."""
    town = town_keys()
    domain = DomainDesk(transport, keys, town, owner=TOWN)
    writing = issue_and_write(domain, issue or _job(), CardDesk(transport, town, owner=TOWN), write_job())
    plans: list[str] = []
    entries: list[Entry] = []
    while True:
        try:
            item = next(writing)
        except StopIteration as end:
            return plans, entries, end.value
        if isinstance(item, Found | FoundDomain):
            plans += map(str, item.plan.steps)
        else:
            entries.append(item)


def _assert_written(card: _Powered) -> None:
    """Application, keys and service are there, the published keys are not, and a second run has nothing to do."""
    card.insert()
    assert card.card.contents.state is CardState.SECURED
    assert [keys.version for keys in card.card.contents.keys] == [0x31]
    assert [found.aid for found in card.card.contents.instances] == [AID]
    seen = write(card, write_job()).found  # type: ignore[arg-type]
    assert seen is not None
    assert seen.plan.steps == ()
    assert seen.state.services[DEMO.service].life_cycle is LifeCycle.ACTIVATED
    assert _run(card.insert())[:2] == ([], [])


def test_from_a_fresh_card_to_a_service() -> None:
    """Every step is planned, journaled as intent and done in order, and visible on the card afterwards."""
    card = _Powered()
    plans, entries, ending = _run(card.insert())
    assert plans == STEPS
    assert [(entry.number, str(entry.step), entry.state) for entry in entries] == [
        (number, step, state) for number, step in enumerate(STEPS) for state in ("intent", "done")
    ]
    assert (ending.state, ending.steps) == ("done", len(STEPS))
    _assert_written(card)


def test_a_dry_run_writes_nothing() -> None:
    """The same plan is shown, and the card is as it left its factory."""
    card = _Powered()
    before = card.card.contents
    plans, entries, ending = _run(card.insert(), _job(dry_run=True))
    assert (plans, entries, ending.state) == (STEPS, [], "done")
    after = card.card.contents
    assert (after.load_files, after.instances, after.state) == (before.load_files, before.instances, before.state)


def _apdus() -> int:
    reader = Reader(_Powered().insert())
    _run(reader)
    return len(reader.commands)


@pytest.mark.parametrize(("at", "fault"), list(cuts(_apdus())))
def test_a_card_pulled_at_any_apdu_is_finished_later(
    at: int, fault: Callable[[bytes, Callable[[bytes], bytes]], bytes]
) -> None:
    """Whatever the cut left, the next run reads the card, does what is missing, and nothing twice."""
    card = _Powered()
    _, entries, ending = _run(Reader(card.insert(), at, fault))
    assert ending.state != "done"
    assert all(entry.state != "done" for entry in entries[-1:]) or ending.code == WritingCode.CARD_PULLED
    _, again, end = _run(card.insert())
    assert end.state == "done"
    done = [str(entry.step) for entry in (*entries, *again) if entry.state == "done"]
    assert len(done) == len(set(done))
    _assert_written(card)


def test_a_refused_proof_is_never_repeated() -> None:
    """A card that refuses EXTERNAL AUTHENTICATE goes into quarantine after one of them."""
    reader = Reader(_Powered().insert())
    at = next(number for number, command in enumerate(_recorded()) if command[1] == 0x82)
    reader.at, reader.fault = at, lambda _command, _way: b"\x63\x00"
    _, entries, ending = _run(reader)
    assert (entries, ending.state, ending.code) == ([], "quarantined", WritingCode.CARD_QUARANTINED)
    assert reader.sent(0x82) == 1


def _recorded() -> list[bytes]:
    reader = Reader(_Powered().insert())
    _run(reader)
    return reader.commands


def test_unknown_issuer_keys_are_refused_before_any_proof() -> None:
    """A key version that we do not have, and keys of another card, are told apart; no proof is sent."""
    strange = IssuerKeys(IssuerKeySet(0x40, DEFAULT_KEY))
    wrong = IssuerKeys(IssuerKeySet(DEFAULT_KEY_VERSION, bytes(16)))
    for keys, code in ((strange, WritingCode.CARD_KEYS_UNKNOWN), (wrong, WritingCode.CARD_NOT_OURS)):
        reader = Reader(_Powered().insert())
        _, entries, ending = _run(reader, keys=keys)
        assert (entries, ending.code, reader.sent(0x82)) == ([], code, 0)


def test_a_card_with_another_serial_is_refused() -> None:
    """An application that is there under another serial is never written over."""
    card = _Powered()
    _run(card.insert())
    _, entries, ending = _run(card.insert(), _job(serial=bytes(7)))
    assert (entries, ending.code) == ([], WritingCode.CARD_NOT_OURS)


def test_a_locked_card_is_refused() -> None:
    """CARD_LOCKED is told before anything is written."""
    card = _Powered()
    _run(card.insert(), keys=IssuerKeys(CURRENT))
    session = SecurityDomainSession(card.insert())
    session.authenticate(CURRENT.of(bytes(10)))
    from mykey_cardap.globalplatform.registry import CardState as Wanted

    session.set_card_state(Wanted.CARD_LOCKED, irreversible=True)
    _, entries, ending = _run(card.insert(), keys=IssuerKeys(CURRENT))
    assert (entries, ending.state) == ([], "refused")


def _domain(card: _Powered) -> SecurityDomainSession:
    session = SecurityDomainSession(card.insert())
    session.authenticate(CURRENT.of(bytes(10)))
    return session


def test_a_locked_application_is_refused() -> None:
    """Somebody has locked it: nothing is written behind their back, and no step is tried."""
    card = _Powered()
    _run(card.insert(), keys=IssuerKeys(CURRENT))
    _domain(card).lock(AID)
    plans, entries, ending = _run(card.insert(), keys=IssuerKeys(CURRENT))
    assert (plans, entries, ending.code) == ([], [], WritingCode.CARD_NOT_AS_PLANNED)


def test_an_application_that_another_system_only_installed_is_finished() -> None:
    """State 03: SELECT does not find it yet, so it is made selectable instead of being installed again."""
    card = _Powered()
    domain = _domain(card)
    domain.install_for_load(LOAD_FILE)
    domain.load(load_file_image())
    parameters = SERIAL + TOWN.to_bytes(3, "big")
    domain.install(LOAD_FILE, MODULE, AID, parameters=parameters, selectable=False)
    plans, _, ending = _run(card.insert())
    assert plans == [STEPS[0], "selectable:0000", *STEPS[3:]]
    assert ending.state == "done"
    _assert_written(card)


def test_a_card_of_another_town_with_our_serial_is_refused() -> None:
    """The serial alone does not make a card ours."""
    card = _Powered()
    _run(card.insert())
    domain = DomainDesk(card.insert(), KEYS, town_keys(), owner=OTHER_TOWN)
    writing = issue_and_write(domain, _job(issuer=OTHER_TOWN), CardDesk(card, town_keys(), owner=TOWN), write_job())
    with pytest.raises(StopIteration) as end:
        next(writing)
    assert (end.value.value.state, end.value.value.code) == ("refused", WritingCode.CARD_NOT_OURS)


def test_a_card_with_both_key_sets_is_opened_with_the_wanted_one() -> None:
    """After a doubtful PUT KEY, or where the published set was left: the new keys are tried, once."""
    card = _Powered()
    keys = WANTED.of(SecurityDomainSession(card.insert()).get_data(DataObject.DIVERSIFICATION))
    _domain(card).put_keys(keys, version=WANTED.version)
    reader = Reader(card.insert())
    domain = DomainDesk(reader, KEYS, town_keys(), owner=TOWN)
    assert domain.read(SERIAL).key_versions == (DEFAULT_KEY_VERSION, WANTED.version)
    opened = [command[2] for command in reader.commands if command[1] == 0x50]
    assert opened == [WANTED.version]
    assert reader.sent(0x82) == 1


def test_a_step_that_did_nothing_is_found_by_reading_back() -> None:
    """A domain that says yes and does not do it: the card ends unknown, never done."""

    class Forgetful(DomainDesk):
        def do(self, step: Step, job: IssueJob) -> None:  # type: ignore[override]
            if step.kind is not StepKind.CARD_STATE:
                super().do(step, job)

    card = _Powered()
    writing = issue_card(Forgetful(card.insert(), KEYS, town_keys(), owner=TOWN), _job())
    with pytest.raises(StopIteration) as end:
        _exhaust(writing)
    assert (end.value.value.state, end.value.value.code) == ("unknown", WritingCode.CARD_NOT_AS_PLANNED)


def _exhaust(writing: Issuing) -> None:
    while True:
        next(writing)


@pytest.mark.parametrize("items", [1, 4, 99])
def test_the_session_of_the_domain_is_closed_however_it_ends(items: int) -> None:
    """At its end, and when whoever drives it gives up half-way: the session's keys are gone."""
    desk = DomainDesk(_Powered().insert(), KEYS, town_keys(), owner=TOWN)
    writing = issue_card(desk, _job())
    for _ in zip(range(items), writing, strict=False):
        pass
    writing.close()
    assert desk._domain is None


def test_keys_that_stay_in_a_token_cannot_be_the_first() -> None:
    """A provider that gives no key away says so instead of writing half a card."""

    class Resident:
        def key_set(self, _slot: object) -> object:
            class Handles:
                def close(self) -> None: ...

            return Handles()

    card = _Powered()
    domain = DomainDesk(card.insert(), IssuerKeys(CURRENT), Resident(), owner=TOWN)  # type: ignore[arg-type]
    writing = issue_and_write(domain, _job(), CardDesk(card, town_keys(), owner=TOWN), write_job())
    with pytest.raises(CardKeysUnavailable, match="pkcs11-sign"):
        list(writing)


def test_a_card_that_is_not_ours_yet_has_a_name() -> None:
    """Its card image number; a card without a domain has none."""
    assert chip_number(_Powered().insert()) == CHIP


def _two_sets(*, version: int, size: int) -> str:
    """A file with wanted keys of this version and size beside current ones of version 48 and 16 bytes."""
    sets = {"current": (48, 16), "wanted": (version, size)}
    return json.dumps({k: {"version": v, "scheme": "static", "key": bytes(n).hex()} for k, (v, n) in sets.items()})


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("{}", 0o600),
        ("[]", 0o600),
        ('{"current": {"version": 48, "scheme": "static", "key": "00"}}', 0o600),
        ('{"current": {"version": 48, "scheme": "other", "key": "' + "00" * 16 + '"}}', 0o600),
        ('{"current": {"version": 200, "scheme": "static", "key": "' + "00" * 16 + '"}}', 0o600),
        ('{"current": {"version": 48, "scheme": "static", "key": "' + "00" * 16 + '"}}', 0o644),
        (_two_sets(version=48, size=16), 0o600),  # the old keys could not be told from the new ones
        (_two_sets(version=49, size=32), 0o600),  # a card takes no other length in exchange
    ],
)
def test_wrong_issuer_key_files(tmp_path: Path, text: str, mode: int) -> None:
    """Damage and open permissions are refused, and the error quotes no key."""
    path = tmp_path / "issuer.json"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ConfigurationError) as refused:
        IssuerKeys.load(path)
    assert "0000" not in str(refused.value)


def test_an_issuer_key_file(tmp_path: Path) -> None:
    """Both key sets come out as they stand."""
    path = tmp_path / "issuer.json"
    sets = {"current": CURRENT, "wanted": WANTED}
    table = {
        name: {"version": found.version, "scheme": "kdf3" if found.diversified else "static", "key": found.key.hex()}
        for name, found in sets.items()
    }
    path.write_text(json.dumps(table))
    path.chmod(0o600)
    assert IssuerKeys.load(path) == KEYS
