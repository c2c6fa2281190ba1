"""The service application through the reader's sessions: a ride in five APDUs, limits, rights, doubts, rotation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mykey_cardap.emulator.memory import Fault, Tear
from mykey_cardap.errors import (
    ApduError,
    CardMemoryError,
    CardRemovedError,
    ConditionsOfUseError,
    SecurityStatusError,
    WrongCardError,
)
from mykey_cardap.globalplatform.errors import CardCryptogramError, HandshakeError, HostRefusedError, KeyCheckError
from mykey_cardap.globalplatform.messaging import SecurityLevel
from mykey_cardap.globalplatform.scp03 import Scp03Session
from mykey_cardap.service_application.administration import ServiceAdministration, ServiceDirectory
from mykey_cardap.service_application.errors import (
    CapExceededError,
    InvalidServiceDataError,
    NoRidesLeftError,
    NotAuthenticatedError,
    NothingToRefundError,
    OperationReusedError,
    OutcomeUnknownError,
    PeriodError,
    ServiceError,
    ServiceNotOnCardError,
    ServiceNotUsableError,
    TransactionMacError,
    ValueOutsideLimitsError,
)
from mykey_cardap.service_application.numbers import FREE, AccessRule, DataObject, Kind, LifeCycle, Progress, Role
from mykey_cardap.service_application.orders import Balance, OperationId, Order, Receipt
from mykey_cardap.service_application.profile import AccessRules, NewService, Parameters
from mykey_cardap.service_application.session import Outcome, ServiceSession
from mykey_cardap.service_application.transaction_mac import verify_receipt
from mykey_cardap.service_application.wrapped_keys import WrappedKeys

TAXI = 0x0301
SERIAL = bytes.fromhex("04A1B2C3D4E5F6")


class Counting:
    """A transport that counts, loses the answer to command number `lose`, or changes what passes."""

    def __init__(self, inner: Any, *, lose: int | None = None) -> None:
        self.inner, self.lose = inner, lose
        self.commands: list[bytes] = []

    def send_apdu(self, command: bytes) -> bytes:
        """Pass on."""
        self.commands.append(command)
        answer: bytes = self.inner.send_apdu(command)
        if len(self.commands) == self.lose:
            raise CardRemovedError("pulled before the answer")
        return answer


def careless(session: ServiceSession, order: Order) -> Receipt:
    """Send a COMMIT past the reader's own checks."""
    return session._committed(order, session.state())


def ride(session: ServiceSession, order: Order) -> Receipt:
    return session.commit(order)


def test_a_ride_is_five_apdus(rig: Any) -> None:
    """SELECT, two to authenticate, the state, one COMMIT; everything changed at once and the MAC is the card's."""
    counting = Counting(rig.transport)
    session = ServiceSession(counting, TAXI)
    session.authenticate(Role.DEBIT, rig.keys(Role.DEBIT))
    order = rig.order()
    receipt = session.commit(order)
    assert [command[1] for command in counting.commands] == [0xA4, 0x50, 0x82, 0xCA, 0xC8]
    assert receipt.counter == 1
    assert receipt.balance == Balance(value=9_285, left=69, used=1, period=2026)
    verify_receipt(rig.key(Role.TRANSACTION_MAC), order, receipt, serial=SERIAL)
    assert [record.order for record in rig.session().log()] == [order]
    assert rig.session().state().receipt == receipt


def test_a_card_that_knows_only_the_application_takes_six(rig: Any) -> None:
    """Without an instance for the service's name the directory is selected below the application."""
    card = rig.transport.card
    card.memory.contents = type(card.memory.contents)(instances=card.memory.contents.instances[:1])
    rig.insert()
    session = ServiceSession(rig.transport, TAXI)
    assert session.header.service == TAXI
    assert session.header.life_cycle is LifeCycle.ACTIVATED


def test_the_same_order_counts_once(rig: Any) -> None:
    """Twice in one session, in another tap, and after suspension: the same receipt, nothing changed."""
    order = rig.order()
    session = rig.session()
    receipt = session.commit(order)
    assert session.commit(order) == receipt
    assert rig.session().commit(order) == receipt
    rig.administration().deactivate()
    assert rig.session().commit(order) == receipt
    assert rig.session().state().balance.left == 69


def test_an_operation_id_is_never_used_twice(rig: Any) -> None:
    """The same id with another fare, or further back in the log: refused, by the reader and by the card itself."""
    first = rig.order(1)
    rig.session().commit(first)
    with pytest.raises(OperationReusedError):
        rig.session().commit(rig.order(1, total=9_990))
    rig.session().commit(rig.order(2))
    before = rig.observe()
    with pytest.raises(ConditionsOfUseError):
        rig.session().commit(first)
    with pytest.raises(ConditionsOfUseError):
        careless(rig.session(), rig.order(2, total=9_990))
    assert rig.observe() == before


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"amount": 2_001, "total": 4_002}, CapExceededError),
        ({"amount": 1_431}, InvalidServiceDataError),
        ({"period": 2025}, PeriodError),
        ({"period": 2031}, PeriodError),
        ({"kind": Kind.DEBIT, "amount": 0}, InvalidServiceDataError),
        ({"kind": Kind.DEBIT, "amount": 2_001}, CapExceededError),
        ({"kind": Kind.REFUND, "amount": 1}, NothingToRefundError),
    ],
)
def test_the_reader_says_why_and_the_card_refuses_by_itself(
    rig: Any, changes: dict[str, Any], error: type[ServiceError]
) -> None:
    """Nothing is sent when the state forbids it; a careless reader gets a status word and nothing changes."""
    order = rig.order(**changes)
    before = rig.observe()
    counting = Counting(rig.transport)
    session = ServiceSession(counting, TAXI)
    session.authenticate(Role.DEBIT, rig.keys(Role.DEBIT))
    session.state()
    sent = len(counting.commands)
    with pytest.raises(error):
        session.commit(order)
    assert len(counting.commands) == sent
    with pytest.raises(ApduError) as refusal:
        careless(session, order)
    assert refusal.value.sw in {0x6985, 0x6A80}
    assert rig.observe() == before


def test_rides_run_out_and_a_new_period_grants_them(rig: Any) -> None:
    """No ride beyond the last; the next period opens by itself with its allowance, and never goes back."""
    session = rig.session(Role.CREDIT)
    session.grant(OperationId(b"COUNTER1", 1), rides=1, time=rig.order().time, period=2027)
    ride(rig.session(), rig.order(1, period=2027))
    with pytest.raises(NoRidesLeftError):
        ride(rig.session(), rig.order(2, period=2027))
    receipt = ride(rig.session(), rig.order(3, period=2028))
    assert (receipt.balance.left, receipt.balance.used, receipt.balance.period) == (69, 1, 2028)
    with pytest.raises(PeriodError):
        ride(rig.session(), rig.order(4, period=2027))


def test_value_keeps_its_limits(rig: Any) -> None:
    """Debits stop at the lower limit, credits at the upper one."""
    time = rig.order().time
    for sequence in range(5):
        rig.session().debit(OperationId(b"SHOP0001", sequence + 1), amount=2_000, time=time, period=2026)
    with pytest.raises(ValueOutsideLimitsError) as refusal:
        rig.session().debit(OperationId(b"SHOP0001", 6), amount=1, time=time, period=2026)
    assert (refusal.value.value, refusal.value.lower) == (0, 0)
    credit = rig.session(Role.CREDIT).credit
    assert credit(OperationId(b"COUNTER1", 1), amount=100_000, time=time, period=2026).balance.value == 100_000
    with pytest.raises(ValueOutsideLimitsError):
        rig.session(Role.CREDIT).credit(OperationId(b"COUNTER1", 2), amount=1, time=time, period=2026)


def test_only_the_last_transaction_is_refunded_and_once(rig: Any) -> None:
    """A refund of a ride gives ride and value back; a second refund is refused."""
    ride(rig.session(), rig.order(1))
    time = rig.order().time
    receipt = rig.session().refund(OperationId(b"TERM0001", 2), amount=715, time=time, period=2026)
    assert receipt.balance == Balance(value=10_000, left=70, used=0, period=2026)
    with pytest.raises(NothingToRefundError):
        rig.session().refund(OperationId(b"TERM0001", 3), amount=1, time=time, period=2026)


RIGHTS = {
    Role.READ: set[Kind](),
    Role.DEBIT: {Kind.RIDE, Kind.DEBIT, Kind.REFUND},
    Role.CREDIT: {Kind.CREDIT, Kind.GRANT},
    Role.ADMIN: set[Kind](),
}


@pytest.mark.parametrize("role", RIGHTS)
@pytest.mark.parametrize("kind", list(Kind))
def test_a_key_commits_what_it_is_for(rig: Any, role: Role, kind: Kind) -> None:
    """Every key against every kind of transaction: the card itself refuses all others with 6982."""
    ride(rig.session(), rig.order(1))
    fields: dict[Kind, dict[str, int]] = {Kind.GRANT: {"amount": 0, "total": 10, "period": 2027}}
    order = rig.order(2, kind=kind, **fields.get(kind, {}))
    session = rig.session(role)
    before = rig.observe()
    if kind in RIGHTS[role]:
        assert session.commit(order).counter == 2
        return
    with pytest.raises(SecurityStatusError):
        careless(session, order)
    assert rig.observe() == before


@pytest.mark.parametrize("role", [Role.READ, Role.DEBIT, Role.CREDIT])
def test_only_k0_administers(rig: Any, role: Role) -> None:
    """Keys, profile, limits, access and life cycle need K0."""
    session = ServiceAdministration(rig.transport, TAXI)
    session.authenticate(role, rig.keys(role))
    before = rig.observe()
    for attempt in (
        session.deactivate,
        session.terminate,
        lambda: session.write_profile(b"\x81\x00"),
        lambda: session.write_parameters(Parameters()),
        lambda: session.write_access(AccessRules()),
        lambda: session.put_key(Role.DEBIT, generation=2, keys=rig.wrapped(Role.DEBIT, generation=2)),
    ):
        with pytest.raises(SecurityStatusError):
            attempt()
    assert rig.observe() == before


def test_nothing_personal_without_a_session(rig: Any) -> None:
    """Outside a session only directory and meta data can be read; a plain COMMIT is refused."""
    session = ServiceSession(rig.transport, TAXI)
    for attempt in (session.state, session.profile, session.log):
        with pytest.raises(SecurityStatusError):
            attempt()
    with pytest.raises(NotAuthenticatedError):
        session.commit(rig.order())
    assert rig.transport.send_apdu(bytes.fromhex("80C800001B") + bytes(rig.order())) == b"\x69\x82"
    directory = ServiceDirectory(rig.transport)
    assert [(entry.service, entry.label) for entry in directory.services()] == [(TAXI, "taxi")]
    assert directory.meta().services[0].progress == Progress(0x3F)


def test_free_reading_can_be_granted(rig: Any) -> None:
    """Access rules are the service's own: here everybody reads the profile, and still nothing else."""
    rig.administration().write_access(AccessRules(profile_read=FREE))
    session = ServiceSession(rig.transport, TAXI)
    assert session.profile() == bytes.fromhex("810101820400000064")
    with pytest.raises(SecurityStatusError):
        session.state()


@pytest.mark.parametrize("rule", list(AccessRule))
def test_access_rules_that_mean_nothing_are_refused(rig: Any, rule: AccessRule) -> None:
    """K4 opens no session, and only reading can be free: reader and card both refuse."""
    bad = FREE if rule.name.endswith(("WRITE", "DEBIT", "CREDIT", "ACCESS")) else 4
    with pytest.raises(InvalidServiceDataError):
        AccessRules(**{rule.name.lower(): bad})
    nibbles = list(bytes(AccessRules()).hex())
    nibbles[rule] = f"{bad:x}"
    session = rig.administration()
    with pytest.raises(ApduError) as refusal:
        session._put_data(DataObject.ACCESS, bytes.fromhex("".join(nibbles)))
    assert refusal.value.sw == 0x6A80


@pytest.mark.parametrize("level", [0x00, 0x01, 0x03, 0x11, 0x13])
def test_lower_security_levels_are_refused(rig: Any, level: int) -> None:
    """Only level 33: the card ends a session that asks for less."""
    ServiceSession(rig.transport, TAXI)
    with pytest.raises(HostRefusedError) as refusal:
        Scp03Session.open(rig.transport, rig.keys(Role.DEBIT), key_version=0x32, security_level=SecurityLevel(level))
    assert refusal.value.sw == 0x6985


def test_keys_of_another_service_role_or_card_open_nothing(rig: Any) -> None:
    """Wrong keys are seen before the card is told anything."""
    for keys in (rig.keys(Role.DEBIT, service=0x0501), rig.keys(Role.READ), rig.keys(Role.DEBIT, generation=2)):
        session = ServiceSession(rig.transport, TAXI)
        with pytest.raises(CardCryptogramError):
            session.authenticate(Role.DEBIT, keys)
    with pytest.raises(WrongCardError):
        ServiceSession(rig.transport, TAXI, serial=bytes(7))
    with pytest.raises(ServiceNotOnCardError):
        ServiceSession(rig.transport, 0x0501)


def test_a_receipt_of_something_else_is_not_settled(rig: Any) -> None:
    """Every byte of order, counter, balance and card counts for the MAC."""
    order = rig.order()
    receipt = ride(rig.session(), order)
    key = rig.key(Role.TRANSACTION_MAC)
    verify_receipt(key, order, receipt, serial=SERIAL)
    for other in (rig.order(2), rig.order(amount=714), rig.order(total=1_431), rig.order(period=2027)):
        with pytest.raises(TransactionMacError):
            verify_receipt(key, other, receipt, serial=SERIAL)
    for index in range(22):
        raw = bytearray(bytes(receipt))
        raw[index] ^= 1
        with pytest.raises(TransactionMacError):
            verify_receipt(key, order, Receipt.from_bytes(bytes(raw)), serial=SERIAL)
    with pytest.raises(TransactionMacError):
        verify_receipt(key, order, receipt, serial=bytes(7))


def test_a_lost_answer_is_resolved_by_tapping_again(rig: Any) -> None:
    """Committed and unanswered: the second tap finds the receipt, and the same order again changes nothing."""
    counting = Counting(rig.transport, lose=5)
    session = ServiceSession(counting, TAXI)
    session.authenticate(Role.DEBIT, rig.keys(Role.DEBIT))
    with pytest.raises(OutcomeUnknownError) as doubt:
        session.commit(rig.order())
    rig.insert()
    found = rig.session().resolve(doubt.value.order, counter=doubt.value.counter)
    assert found.outcome is Outcome.COMMITTED
    assert found.receipt is not None
    verify_receipt(rig.key(Role.TRANSACTION_MAC), rig.order(), found.receipt, serial=SERIAL)
    assert rig.session().commit(rig.order()) == found.receipt


def test_an_order_that_never_arrived_can_be_committed_or_dropped(rig: Any) -> None:
    """Power was lost before anything was written: NOT_WRITTEN; after a later ride of another terminal: VOID."""
    session = rig.session()
    session.state()
    rig.memory.arm(Fault(0, Tear.GARBAGE))
    with pytest.raises(OutcomeUnknownError) as doubt:
        session.commit(rig.order())
    rig.insert()
    assert rig.session().resolve(rig.order(), counter=doubt.value.counter).outcome is Outcome.NOT_WRITTEN
    other = rig.order().time
    rig.session().debit(OperationId(b"OTHER001", 1), amount=1, time=other, period=2026)
    assert rig.session().resolve(rig.order(), counter=doubt.value.counter).outcome is Outcome.VOID


def test_doubts_that_came_late(rig: Any) -> None:
    """Later transactions: the log still proves the ride; ten more and nobody can tell from the card."""
    ride(rig.session(), rig.order())
    session = rig.session()
    for sequence in range(9):
        session.debit(OperationId(b"OTHER001", sequence + 1), amount=1, time=rig.order().time, period=2026)
    found = rig.session().resolve(rig.order(), counter=0)
    assert found.outcome is Outcome.COMMITTED_EARLIER
    assert found.record is not None
    assert found.record.counter == 1
    rig.session().debit(OperationId(b"OTHER001", 10), amount=1, time=rig.order().time, period=2026)
    assert rig.session().resolve(rig.order(), counter=0).outcome is Outcome.UNKNOWN
    assert len(rig.session().log()) == 10


def test_suspended_and_ended_services_take_no_rides(rig: Any) -> None:
    """Suspended: readable, resumable. Terminated: for ever; only deletion is left."""
    administration = rig.administration()
    administration.deactivate()
    administration.deactivate()
    with pytest.raises(ServiceNotUsableError) as refusal:
        ride(rig.session(), rig.order())
    assert refusal.value.life_cycle is LifeCycle.DEACTIVATED
    with pytest.raises(ConditionsOfUseError):
        careless(rig.session(), rig.order())
    rig.administration().activate()
    ride(rig.session(), rig.order())
    administration = rig.administration()
    administration.terminate()
    for attempt in (
        administration.activate,
        administration.deactivate,
        lambda: administration.write_profile(b"\x81\x00"),
        lambda: administration.write_parameters(Parameters()),
        lambda: administration.put_key(Role.READ, generation=2, keys=rig.wrapped(Role.READ, generation=2)),
    ):
        with pytest.raises(ConditionsOfUseError):
            attempt()
    with pytest.raises(HandshakeError):
        rig.session()
    rig.directory().delete(TAXI)
    with pytest.raises(ServiceNotOnCardError):
        rig.session()


def test_activation_needs_everything(blank_rig: Any) -> None:
    """While one key or the profile is missing, ACTIVATE is refused; only K0 opens a session until then."""
    *steps, (_, activate) = blank_rig.steps()
    for _, step in steps:
        step()
        if step is not steps[-1][1]:
            with pytest.raises(ConditionsOfUseError):
                activate()
            with pytest.raises(HandshakeError):
                blank_rig.session(Role.READ)
    activate()
    assert blank_rig.session().state().life_cycle is LifeCycle.ACTIVATED


def test_steps_can_be_repeated(blank_rig: Any) -> None:
    """A resumed writer may repeat any step but CREATE, which says that the service is there."""
    for name, step in blank_rig.steps():
        step()
        before = blank_rig.observe()
        if name == "create":
            with pytest.raises(ApduError) as refusal:
                step()
            assert refusal.value.sw == 0x6A8A
        else:
            step()
        assert blank_rig.observe() == before


def test_rotation_keeps_the_old_generation_until_the_floor_passes(rig: Any) -> None:
    """G and g - 1 both work; after the floor only g; a key never goes back, and the floor never falls."""
    administration = rig.administration()
    for role in (Role.READ, Role.DEBIT, Role.CREDIT, Role.TRANSACTION_MAC, Role.ADMIN):
        administration.put_key(role, generation=2, keys=rig.wrapped(role, generation=2))
    for generation, previous in ((2, False), (1, True)):
        session = ServiceSession(rig.transport, TAXI)
        session.authenticate(Role.DEBIT, rig.keys(Role.DEBIT, generation=generation), previous=previous)
        order = rig.order(generation)
        verify_receipt(rig.key(Role.TRANSACTION_MAC, generation=2), order, session.commit(order), serial=SERIAL)
    assert [record.key_generation for record in session.log()] == [2, 2]
    directory = rig.directory()
    with pytest.raises(ConditionsOfUseError):  # the card's own K0 is still of generation 1
        directory.raise_floor(2)
    root = rig.keys(Role.ADMIN, service=0)
    directory.put_key(generation=2, keys=WrappedKeys.wrap(rig.keys(Role.ADMIN, service=0, generation=2), root))
    directory.raise_floor(2)
    with pytest.raises(ConditionsOfUseError):
        directory.raise_floor(1)
    with pytest.raises(HandshakeError):
        ServiceSession(rig.transport, TAXI).authenticate(Role.DEBIT, rig.keys(Role.DEBIT), previous=True)
    with pytest.raises(HandshakeError):
        ServiceDirectory(rig.transport).authenticate(Role.ADMIN, root, previous=True)
    administration = ServiceAdministration(rig.transport, TAXI)
    administration.authenticate(Role.ADMIN, rig.keys(Role.ADMIN, generation=2))
    under = rig.keys(Role.ADMIN, generation=2)
    with pytest.raises(ConditionsOfUseError):
        administration.put_key(Role.DEBIT, generation=1, keys=rig.wrapped(Role.DEBIT, under=under))


def test_a_wrong_check_value_changes_nothing(rig: Any) -> None:
    """PUT KEY and CREATE verify the key before they store it."""
    good = rig.wrapped(Role.DEBIT, generation=2)
    bad = WrappedKeys(good.ciphers, (b"\0\0\0", *good.check_values[1:]))
    before = rig.observe()
    with pytest.raises(SecurityStatusError):
        rig.administration().put_key(Role.DEBIT, generation=2, keys=bad)
    service = NewService(0x0501, 102016, "points")
    admin = WrappedKeys.wrap(rig.keys(Role.ADMIN, service=0x0501), rig.keys(Role.ADMIN, service=0))
    with pytest.raises(SecurityStatusError):
        rig.directory().create(
            service, generation=1, admin=WrappedKeys(admin.ciphers, (b"\0\0\0", *admin.check_values[1:]))
        )
    assert rig.observe() == before


def test_a_full_card_and_room_again(blank_rig: Any) -> None:
    """Eight services fit, a ninth is 6A84; a deleted one makes room, and counters never begin again."""
    rig = blank_rig
    for number in range(8):
        service = 0x0501 + number
        admin = WrappedKeys.wrap(rig.keys(Role.ADMIN, service=service), rig.keys(Role.ADMIN, service=0))
        rig.directory().create(NewService(service, 102016, f"points {number}"), generation=1, admin=admin)
    with pytest.raises(CardMemoryError) as refusal:
        rig.create()
    assert refusal.value.sw == 0x6A84
    assert len(ServiceDirectory(rig.transport).services()) == 8
    rig.directory().delete(0x0503)
    rig.personalise()
    assert {entry.service for entry in rig.directory().services()} >= {TAXI, 0x0501}


def test_a_counter_never_begins_again(rig: Any) -> None:
    """A service that was deleted and written anew goes on counting above everything that the card ever sealed."""
    for sequence in range(3):
        ride(rig.session(), rig.order(sequence + 1))
    with pytest.raises(ConditionsOfUseError):  # not while it is in use
        rig.directory().delete(TAXI)
    rig.administration().deactivate()
    rig.directory().delete(TAXI)
    assert ServiceDirectory(rig.transport).meta().counter == 3
    rig.personalise()
    assert ride(rig.session(), rig.order(1)).counter == 4
    assert ServiceDirectory(rig.transport).meta().counter == 4


def test_the_last_transaction_number_is_the_last(rig: Any) -> None:
    """At its transaction limit a service takes no more."""
    rig.administration().write_parameters(Parameters(transaction_limit=1))
    ride(rig.session(), rig.order(1))
    with pytest.raises(ConditionsOfUseError):
        ride(rig.session(), rig.order(2))


@pytest.mark.parametrize(
    "make",
    [
        lambda: OperationId(b"short", 1),
        lambda: OperationId(bytes(8), 0),
        lambda: OperationId(b"TERM0001", 1 << 32),
        lambda: Parameters(lower=2, upper=1),
        lambda: bytes(Parameters(cap=-1)),
        lambda: NewService(0x0301, 1 << 24, "taxi").to_bytes(1, WrappedKeys((), ())),
        lambda: NewService(0x0301, 102016, "x" * 17).to_bytes(1, WrappedKeys((), ())),
    ],
)
def test_what_no_card_would_take_is_refused_before_it_is_sent(make: Callable[[], Any]) -> None:
    """Numbers outside their range."""
    with pytest.raises(InvalidServiceDataError):
        make()


def test_profiles_are_tlv_of_the_reserved_size(rig: Any) -> None:
    """Damaged or long profiles are refused by the reader, longer ones than reserved by the card."""
    session = rig.administration()
    for bad in (b"", b"\x81\x05\x00", b"\x81\x81\xf0" + bytes(0xF0)):
        with pytest.raises(InvalidServiceDataError):
            session.write_profile(bad)
    longest = b"\x81\x81\xdd" + bytes(221)
    session.write_profile(longest)
    assert rig.session(Role.READ).profile() == longest


def test_the_card_keeps_its_limits_without_the_readers_help(rig: Any) -> None:
    """Lower and upper limit, the last ride, a second refund and one that is too large: 6985 by the card alone."""
    rig.administration().write_parameters(Parameters(lower=9_000, upper=10_500))
    for changes in ({"amount": 1_001, "total": 0}, {"kind": Kind.REFUND, "amount": 0}):
        with pytest.raises(ConditionsOfUseError):
            careless(rig.session(), rig.order(1, **{"kind": Kind.DEBIT} | changes))
    with pytest.raises(ConditionsOfUseError):
        careless(rig.session(Role.CREDIT), rig.order(2, kind=Kind.CREDIT, amount=501))
    ride(rig.session(), rig.order(3))
    with pytest.raises(ConditionsOfUseError):
        careless(rig.session(), rig.order(4, kind=Kind.REFUND, amount=716))
    careless(rig.session(), rig.order(5, kind=Kind.REFUND, amount=715))
    with pytest.raises(ConditionsOfUseError):
        careless(rig.session(), rig.order(6, kind=Kind.REFUND, amount=0))
    careless(rig.session(Role.CREDIT), rig.order(7, kind=Kind.GRANT, total=0, amount=0, period=2027))
    with pytest.raises(ConditionsOfUseError):
        careless(rig.session(), rig.order(8, period=2027))


def test_another_key_in_the_card_is_noticed(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """PUT KEY answers with check values; others than those that were sent are an error."""
    administration = rig.administration()
    monkeypatch.setattr(administration, "_send", lambda _operation, _command: b"\x32" + bytes(9))
    with pytest.raises(KeyCheckError):
        administration.put_key(Role.DEBIT, generation=2, keys=rig.wrapped(Role.DEBIT, generation=2))
