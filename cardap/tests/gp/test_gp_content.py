"""Content management from both sides: load, install, personalise, list, lock and delete applications."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from mykey_cardap.emulator.globalplatform.cards import default_keys as stored_default_keys
from mykey_cardap.emulator.globalplatform.contents import CardContents, VolatileMemory
from mykey_cardap.emulator.globalplatform.domain_session import DomainOptions
from mykey_cardap.globalplatform import command_data
from mykey_cardap.globalplatform.command_data import StoreFormat
from mykey_cardap.globalplatform.errors import (
    FailureClass,
    FatalContentError,
    InvalidContentError,
    ReplanContentError,
    SecureChannelUseError,
)
from mykey_cardap.globalplatform.messaging import SecurityLevel
from mykey_cardap.globalplatform.registry import CardState, Scope
from mykey_cardap.globalplatform.security_domain import SecurityDomainSession

PACKAGE, MODULE, INSTANCE = (bytes.fromhex("F04D594B4559F0" + tail) for tail in ("", "01", "0101"))
CAP_HEADER = bytes.fromhex("DECAFFED010204000107") + PACKAGE
Domain = Callable[..., SecurityDomainSession]
Card = Callable[..., Any]


def cap(*modules: bytes, size: int = 600) -> bytes:
    applets = bytes((len(modules),)) + b"".join(bytes((len(aid),)) + aid + b"\x00\x08" for aid in modules)
    parts = ((1, CAP_HEADER), (3, applets), (7, bytes(size)))
    return b"".join(bytes((tag,)) + len(body).to_bytes(2, "big") + body for tag, body in parts)


def loaded(session: SecurityDomainSession) -> SecurityDomainSession:
    session.install_for_load(PACKAGE)
    session.load(cap(MODULE))
    return session


def read_notes(card: Any) -> bytes:
    assert card.process(bytes.fromhex("00A40400") + bytes((len(INSTANCE),)) + INSTANCE).endswith(b"\x90\x00")
    answer: bytes = card.process(bytes.fromhex("8010000000"))
    return answer


def test_a_whole_life_of_an_application(domain: Domain, open_card: Card) -> None:
    """Load in blocks, install, personalise through the domain, use, lock, unlock, delete with its load file."""
    card = open_card()
    session = domain(card)
    steps: list[tuple[int, int]] = []
    session.install_for_load(PACKAGE, digest=_sha256(cap(MODULE)))
    session.load(cap(MODULE), progress=lambda sent, total: steps.append((sent, total)))
    assert steps[-1] == (len(steps), len(steps)) == (3, 3)
    session.install(PACKAGE, MODULE, INSTANCE, parameters=b"note")
    session.personalize(INSTANCE, b"x" * 500, form=StoreFormat.UNSTRUCTURED)
    assert read_notes(card) == b"note" + b"x" * 252 + bytes.fromhex("61F8")
    assert card.process(bytes.fromhex("00C00000F8")) == b"x" * 248 + b"\x90\x00"

    session = domain(card)
    session.lock(INSTANCE)
    assert session.registry(Scope.APPLICATIONS)[0].locked
    assert card.process(bytes.fromhex("00A4040009") + INSTANCE).hex() == "6a82"
    session = domain(card)
    session.unlock(INSTANCE)
    with pytest.raises(ReplanContentError) as refused:
        session.delete(PACKAGE)
    assert refused.value.sw == 0x6985
    program = card.program(INSTANCE)
    session.delete(PACKAGE, related=True)
    assert session.registry(Scope.APPLICATIONS) == ()
    assert session.registry(Scope.LOAD_FILES) == ()
    assert program.erased


def _sha256(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()


def test_an_installed_application_waits_to_be_made_selectable(domain: Domain, open_card: Card) -> None:
    """INSTALL [for install] alone leaves state 03, which SELECT does not find."""
    card = open_card()
    session = loaded(domain(card))
    session.install(PACKAGE, MODULE, INSTANCE, selectable=False)
    assert session.registry(Scope.APPLICATIONS, INSTANCE)[0].state == 0x03
    session.make_selectable(INSTANCE)
    assert session.registry(Scope.APPLICATIONS, INSTANCE)[0].state == 0x07
    assert read_notes(card) == b"\x90\x00"


def test_the_registry_shows_modules_and_comes_in_pages(domain: Domain, open_card: Card) -> None:
    """6310 and "next" until all of twelve applications are there; a prefix chooses; real cards' two-byte states."""
    session = loaded(domain(open_card(options=DomainOptions(two_byte_states=True))))
    aids = [INSTANCE + bytes((number,)) for number in range(12)]
    for aid in aids:
        session.install(PACKAGE, MODULE, aid)
    entries = session.registry(Scope.APPLICATIONS)
    assert [entry.aid for entry in entries] == aids
    assert {(entry.state, entry.load_file, entry.privileges) for entry in entries} == {(0x07, PACKAGE, bytes(3))}
    assert [entry.aid for entry in session.registry(Scope.APPLICATIONS, aids[3])] == [aids[3]]
    assert session.registry(Scope.LOAD_FILES_AND_MODULES)[0].modules == (MODULE,)
    assert session.registry(Scope.ISSUER_DOMAIN)[0].state == CardState.OP_READY


def test_power_brings_installed_applications_back(domain: Domain, open_card: Card) -> None:
    """After a power cycle the program is made from the registry, and told that its memory is not fresh."""
    card = open_card()
    loaded(domain(card)).install(PACKAGE, MODULE, INSTANCE, parameters=b"note")
    assert card.program(INSTANCE).fresh
    card.power_on()
    assert read_notes(card) == b"note\x90\x00"
    assert not card.program(INSTANCE).fresh


@pytest.mark.parametrize(
    ("install", "sw"),
    [
        (lambda session: session.install(PACKAGE + b"x", MODULE, INSTANCE), 0x6A88),
        (lambda session: session.install(PACKAGE, MODULE + b"x", INSTANCE), 0x6A88),
        (lambda session: session.install(PACKAGE, MODULE, PACKAGE), 0x6A80),
        (lambda session: session.install_for_load(PACKAGE), 0x6985),
        (lambda session: session.make_selectable(INSTANCE), 0x6A88),
        (lambda session: session.personalize(INSTANCE, b"x"), 0x6A88),
        (lambda session: session.delete(INSTANCE), 0x6A88),
        (lambda session: session.lock(INSTANCE), 0x6A88),
        (lambda session: session.delete(session.information.aid), 0x6985),
        (lambda session: session.set_card_state(CardState.SECURED), 0x6985),
        (lambda session: session.store_data(bytes.fromhex("C10101")), 0x6A80),
        (lambda session: session.get_data(0x9F7F), 0x6A88),
    ],
)
def test_a_step_that_does_not_fit_the_card_asks_for_a_new_plan(domain: Domain, install: Any, sw: int) -> None:
    """The card's state is not what the plan supposed: class "re-plan", and the channel stays open."""
    session = loaded(domain())
    with pytest.raises(ReplanContentError) as refused:
        install(session)
    assert refused.value.sw == sw
    assert refused.value.failure is FailureClass.REPLAN
    assert not session.secure_channel.closed
    assert session.registry(Scope.APPLICATIONS) == ()


def test_a_full_card_takes_nothing_and_stays_usable(domain: Domain, open_card: Card) -> None:
    """6A84 while loading: fatal for this plan; the registry is as before."""
    card = open_card(memory=VolatileMemory(CardContents(keys=(stored_default_keys(),), capacity=500)))
    session = domain(card)
    session.install_for_load(PACKAGE)
    with pytest.raises(FatalContentError) as refused:
        session.load(cap(MODULE))
    assert refused.value.sw == 0x6A84
    assert session.registry(Scope.LOAD_FILES) == ()
    session.install_for_load(PACKAGE)
    session.load(cap(MODULE, size=100))


def test_a_load_file_with_another_hash_is_refused(domain: Domain) -> None:
    """What arrived is not what was announced."""
    session = domain()
    session.install_for_load(PACKAGE, digest=bytes(32))
    with pytest.raises(ReplanContentError):
        session.load(cap(MODULE))
    assert session.registry(Scope.LOAD_FILES) == ()


@pytest.mark.parametrize("sent", ["80E6020000", "80F28002024F00", "80D80081", "80F00007", "00E2900003420101", "80E400"])
def test_nothing_is_managed_without_authentication(open_card: Card, sent: str) -> None:
    """6982 to every command of content management outside a session (GP table 11-2)."""
    answer = open_card().process(bytes.fromhex(sent))
    assert answer.hex() == ("6700" if len(sent) < 8 else "6982")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda session: session.install(b"1234", MODULE, INSTANCE),
        lambda session: session.install(PACKAGE, MODULE, bytes(17)),
        lambda session: session.install(PACKAGE, MODULE, INSTANCE, privileges=b"12"),
        lambda session: session.delete(b""),
        lambda session: session.load(b"x" * 70_000),
        lambda session: session.store_data(b""),
        lambda session: session.set_card_state(CardState.TERMINATED),
        lambda session: session.set_card_state(CardState.CARD_LOCKED),
        lambda session: session.delete_key_set(0x30),
        lambda session: session.delete_key_set(0x80),
    ],
)
def test_what_no_card_takes_is_refused_before_anything_is_sent(domain: Domain, wrong: Any) -> None:
    """Bad AIDs, sizes and irreversible steps without the word for them never reach the card."""
    session = domain()
    before = session.registry(Scope.ISSUER_DOMAIN), session.key_information()
    sent = len(session._transport.log)  # type: ignore[attr-defined]
    with pytest.raises(InvalidContentError):
        wrong(session)
    commands = [command for command, _ in session._transport.log[sent:]]  # type: ignore[attr-defined]
    assert all(command[1] == 0xCA for command in commands)
    assert (session.registry(Scope.ISSUER_DOMAIN), session.key_information()) == before


def test_managing_needs_authentication_on_our_side_too(open_card: Card, cable: Any) -> None:
    """Without a channel nothing is sent; reading objects works."""
    session = SecurityDomainSession(cable(open_card()))
    assert {key.version for key in session.key_information()} == {0x30}
    with pytest.raises(SecureChannelUseError):
        session.registry(Scope.APPLICATIONS)


def test_a_locked_card_is_told_apart_and_can_be_unlocked(domain: Domain, open_card: Card) -> None:
    """CARD_LOCKED: 6283 on SELECT, applications are gone, SET STATUS still works; TERMINATED is for ever."""
    card = open_card()
    session = loaded(domain(card))
    session.install(PACKAGE, MODULE, INSTANCE)
    for state in (CardState.INITIALIZED, CardState.SECURED):
        session.set_card_state(state)
    session.set_card_state(CardState.CARD_LOCKED, irreversible=True)
    assert card.process(bytes.fromhex("00A4040009") + INSTANCE).hex() == "6a82"
    session = domain(card)
    assert session.card_locked
    with pytest.raises(ReplanContentError):
        session.delete(INSTANCE)
    session.set_card_state(CardState.SECURED)
    assert not domain(card).card_locked
    session = domain(card)
    session.set_card_state(CardState.TERMINATED, irreversible=True)
    assert card.process(bytes.fromhex("8050300008010203040506070800")).hex() == "6985"


def test_a_refused_block_ends_the_personalisation(domain: Domain, open_card: Card) -> None:
    """The application refuses; the next STORE DATA is for the domain again."""
    card = open_card()
    session = loaded(domain(card))
    session.install(PACKAGE, MODULE, INSTANCE)
    with pytest.raises(ReplanContentError):
        session.personalize(INSTANCE, b"\xff")
    session.store_data(bytes.fromhex("42026162"))
    assert session.get_data(0x42) == b"ab"


def test_objects_over_several_blocks_are_stored_whole(domain: Domain) -> None:
    """A structure keeps its length field and goes on in the next block; also inside DGI 0070."""
    session = domain()
    value = bytes(range(256)) * 3
    session.store_data(bytes.fromhex("45820300") + value)
    assert session.get_data(0x45) == value
    session.store_data(bytes.fromhex("0070054203AABBCC"), form=StoreFormat.DGI)
    assert session.get_data(0x42).hex() == "aabbcc"
    with pytest.raises(ReplanContentError):
        session.get_data(0x4F)


def test_golden_plain_sequences_of_gpshell(domain: Domain, open_card: Card) -> None:
    """§3.8: what another client sent as plain INSTALL [load] and [install], taken by our card."""
    card = open_card()
    session = domain(card, security_level=SecurityLevel.C_MAC)
    send = session.secure_channel.send_apdu
    package = bytes.fromhex("0102030405")
    sent = "80E602001805" + package.hex() + "08A000000151000000 00 06EF04C6020128 00".replace(" ", "")
    assert send(bytes.fromhex(sent)).hex() == "009000"
    session.load(cap(bytes.fromhex("0102030405060708")))
    data = "050102030405 080102030405060708 080102030405060708 0100 04C9020102 00".replace(" ", "")
    assert send(bytes.fromhex(f"80E60C00{len(data) // 2:02X}" + data)).hex() == "009000"
    assert session.registry(Scope.APPLICATIONS)[0].aid.hex() == "0102030405060708"


def test_golden_data_of_our_side() -> None:
    """§3.8: our INSTALL data fields are those that gpshell3 sends."""
    package, module = bytes.fromhex("0102030405"), bytes.fromhex("0102030405060708")
    domain_aid, memory = bytes.fromhex("A000000151000000"), bytes.fromhex("EF04C6020128")
    load = command_data.install_for_load(package, domain_aid, b"", memory)
    assert load.hex() == "05010203040508a0000001510000000006ef04c602012800"
    install = command_data.install_for_install(package, module, module, b"\0", b"\x01\x02", b"")
    assert install.hex() == "050102030405080102030405060708080102030405060708010004c902010200"
    assert command_data.load_file_data(bytes(0x11B))[:4].hex() == "c482011b"


def test_load_blocks_out_of_order_end_the_loading(domain: Domain) -> None:
    """6A86, and the next block finds no announcement: a load file is whole or not there."""
    session = domain()
    send = session.secure_channel.send_apdu
    session.install_for_load(PACKAGE)
    assert send(bytes.fromhex("80E8000002C403")).hex() == "009000"
    assert send(bytes.fromhex("80E8000201DE")).hex() == "6a86"
    assert send(bytes.fromhex("80E8800101DE")).hex() == "6985"
    assert session.registry(Scope.LOAD_FILES) == ()


def test_store_data_blocks_out_of_order_store_nothing(domain: Domain) -> None:
    """6A86, and the numbering starts again (§3.4)."""
    session = domain()
    send = session.secure_channel.send_apdu
    assert send(bytes.fromhex("80E210000242 04".replace(" ", ""))).hex() == "9000"
    assert send(bytes.fromhex("80E29002026162")).hex() == "6a86"
    assert send(bytes.fromhex("80E29001026162")).hex() == "6a86"
    with pytest.raises(ReplanContentError):
        session.get_data(0x42)
    session.store_data(bytes.fromhex("42026162"))
    assert session.get_data(0x42) == b"ab"


def test_objects_that_do_not_fit_are_not_stored(domain: Domain, open_card: Card) -> None:
    """6A84 from the memory of the domain itself."""
    card = open_card(memory=VolatileMemory(CardContents(keys=(stored_default_keys(),), capacity=100)))
    session = domain(card)
    with pytest.raises(FatalContentError) as refused:
        session.store_data(b"\x45\x78" + bytes(120))
    assert refused.value.sw == 0x6A84
    session.store_data(b"\x45\x10" + bytes(16))


def test_an_application_that_is_selected_elsewhere(domain: Domain, open_card: Card) -> None:
    """Selected on one channel, it is neither selected on another nor deleted (6985)."""
    card = open_card()
    loaded(domain(card)).install(PACKAGE, MODULE, INSTANCE)
    assert card.process(bytes.fromhex("0070000001")).hex() == "019000"
    assert card.process(bytes.fromhex("01A4040009") + INSTANCE).endswith(b"\x90\x00")
    session = domain(card)
    with pytest.raises(ReplanContentError):
        session.delete(INSTANCE)
    assert card.process(bytes.fromhex("00A4040009") + INSTANCE).hex() == "6985"
