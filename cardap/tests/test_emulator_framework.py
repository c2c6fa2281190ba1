"""Selection, reading, status words and power of the emulated card (EMU-01 to 06, 13, 19, 20, 23)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from mykey_cardap.apdu import CommandApdu
from mykey_cardap.emulator import InProcessTransport
from mykey_cardap.emulator.application import Application
from mykey_cardap.emulator.card import Behaviour, VirtualCard
from mykey_cardap.errors import CardRemovedError

Talk = Callable[..., Any]

JPKI = "00A4040C0AD392F000260100000001"
AIDS = (
    "D392F000260100000001",
    "D3921000310001010408",
    "D3921000310001010402",
    "D3921000310001010401",
    "D3921000310001010100",
    "A0000001510000",
)
# What OpenSC 0.23 sends before it tries JPKI (reference §18.1).
FOREIGN_SELECTS = (
    "00A4040007627601FF000000",
    "00A4040006A00000000101",
    "00A404000BE82B0601040181C31F020100",
    "00A4040C0FD23300000045737445494420763335",
    "00A4040009A0000003080000100000",
    "00A4040C07A000000116DB0000",
    "00A4040C07A000000079100000",
    *(f"00A4040C07A00000007901{number:02X}00" for number in range(16)),
    "00A404000CF276A288BCFBA69D34F31001",
    "00A4040009A0000003974254465900",
    "00A4040006D2760001240100",
)


def select(aid: str) -> str:
    """SELECT by name."""
    return f"00A4040C{len(aid) // 2:02X}{aid}"


@pytest.mark.parametrize("aid", AIDS)
def test_each_application_is_selected_by_its_exact_name(talk: Talk, aid: str) -> None:
    """EMU-01: 9000 without data; one byte changed, one more or one less is another application: 6A82."""
    card = talk()
    assert card(select(aid)) == "9000"
    assert card(select(aid), "00") == "9000"
    assert card(select(aid).replace("00A4040C", "00A40400", 1)) == "9000"
    assert card(select(aid).replace("00A4040C", "00A40402", 1)) == "6A86"
    other = f"{int(aid[-2:], 16) ^ 0xFF:02X}"
    assert card(select(aid[:-2] + other)) == card(select(aid + "00")) == card(select(aid[:-2])) == "6A82"


def test_foreign_probes_leave_the_card_sane(talk: Talk) -> None:
    """EMU-01: the commands with which OpenSC looks for other cards are refused and change nothing."""
    card = talk()
    assert {card(probe) for probe in FOREIGN_SELECTS} == {"6A82"}
    assert (card("00CADF3005"), card("00CB3FFF035C017E08")) == ("6A88", "6D00")
    assert card(JPKI) == card("00A4020C020018") == "9000"
    assert {card(probe) for probe in FOREIGN_SELECTS} == {"6A82"}
    assert card("00200080") == "63C3"


def test_nothing_is_selected_after_power_on(talk: Talk) -> None:
    """EMU-02: no application and no file, so SELECT EF is 6A82 and READ is 6986."""
    card = talk()
    assert card("00A4020C02000A") == "6A82"
    assert card("00B0000000") == card("00B2010400") == card("00200080") == "6986"
    assert card(JPKI) == "9000"
    assert card("00B0000000") == card("00200080") == "6986"


def test_there_is_no_master_file(talk: Talk) -> None:
    """§1: 3F00 is 6A82; `00 A4 00 00` is 6A86 after power-on and harmless once an application is selected."""
    card = talk()
    assert (card("00A40000"), card("00A40000023F00")) == ("6A86", "6A82")
    card(JPKI)
    card("00A4020C020018")
    assert (card("00A40000"), card("00A40000023F00"), card("00200080")) == ("9000", "6A82", "63C3")


def test_files_are_selected_with_p1_02_only(talk: Talk) -> None:
    """EMU-03: P1 = 09 is 6A86, a missing file 6A82, and the current file stays both times."""
    card = talk()
    card(JPKI)
    assert card("00A4020C020018") == "9000"
    assert (card("00A4090C02000A"), card("00A4020C02001D"), card("00A4020C0118")) == ("6A86", "6A82", "6700")
    assert card("00200080") == "63C3"


def test_the_counter_is_asked_in_two_forms_and_costs_nothing(talk: Talk) -> None:
    """EMU-04: with four and with five bytes, always 63Cx, also while the PIN is verified."""
    card = talk()
    card(JPKI)
    card("00A4020C020018")
    assert [card("00200080"), card("0020008000")] * 5 == ["63C3", "63C3"] * 5
    assert card("0020008004", "31323334") == "9000"
    assert [card("00200080"), card("0020008000")] == ["63C3", "63C3"]
    assert card("00A4020C020017") == "9000"
    assert card("802A008001AA00").endswith("9000")


def test_short_identifiers_name_files_pins_and_keys(talk: Talk) -> None:
    """EMU-05: VERIFY and query P2 = 98, SIGN P2 = 97, READ BINARY P1 = 8A makes the file current."""
    card = talk()
    card(JPKI)
    assert card("00200098") == "63C3"
    assert card("0020009804", "31323334") == "9000"
    assert len(card.data("802A009701AA00")) == 256
    assert card.data("00B08A0004") == card.data("00B0000004")
    assert card("00B09D0004") == card("0020009D") == card("802A009D01AA00") == "6A82"
    assert card("00B0CA0004") == card("002000B8") == "6A86"
    card("00A4040C0AD3921000310001010100")
    assert card.data("00B2010C00") == card.data("00B2010400")


def test_reading_stops_at_the_end_of_the_file(talk: Talk) -> None:
    """EMU-06: Le 00 is 256, fewer bytes come at the end with 9000, 6B00 at and past it, extended Le works."""
    card = talk()
    card(JPKI)
    card("00A4020C02000A")
    whole = card.data("00B000000000", "00")
    size = len(whole)
    assert size > 1000
    assert card.data("00B0000000") == whole[:256]
    assert card.data("00B0000004") == whole[:4]
    assert card.data(f"00B0{size - 3:04X}00") == whole[-3:]
    assert card(f"00B0{size:04X}01") == card("00B07FFF00") == "6B00"
    assert card("00B00000") == card("00B0000001AA") == "6700"


def test_keys_and_pins_are_not_read(talk: Talk) -> None:
    """EMU-06: 6981 on a key, a PIN or a file of the other structure."""
    card = talk()
    card(JPKI)
    for fid in ("0017", "0018", "001A", "001B"):
        card(f"00A4020C02{fid}")
        assert card("00B0000000") == "6981"
    card("00A4020C020006")
    assert card("00B2010400") == card("00200080") == card("802A008001AA00") == "6981"


def test_what_clears_the_security_status(talk: Talk) -> None:
    """EMU-13: SELECT of any application and power-off clear flags and selection; SELECT EF and reset do not."""
    card = talk()

    def open_key() -> None:
        card(JPKI)
        card("0020009804", "31323334")
        card("00A4020C020017")

    def signs() -> bool:
        return bool(card("802A009701AA00").endswith("9000"))

    open_key()
    card("00A4020C02001D")
    card("00A4020C02000B")
    card.card.reset()
    assert signs()
    card(JPKI)
    assert card("00B0000000") == "6986"
    assert not signs()
    open_key()
    card(select(AIDS[1]))
    card(JPKI)
    assert not signs()
    open_key()
    card.power_cycle()
    assert card("802A009701AA00") == "6986"
    card(JPKI)
    assert not signs()


def test_a_failed_selection_keeps_the_application(talk: Talk) -> None:
    """EMU-13: an unknown application is no selection, so nothing is cleared (our decision)."""
    card = talk()
    card(JPKI)
    card("0020009804", "31323334")
    assert card(select("A000000000")) == "6A82"
    assert card("802A009701AA00").endswith("9000")


def test_challenges_are_random_and_short(talk: Talk) -> None:
    """EMU-19: 1 to 256 bytes, in every state, never twice the same; an extended Le is 6985."""
    card = talk()
    assert [len(card.data(f"00840000{le:02X}")) for le in (1, 8, 255, 0)] == [1, 8, 255, 256]
    assert card.data("0084000010") != card.data("0084000010")
    assert (card("008400000000FF"), card("00840000"), card("0084010008")) == ("6985", "6700", "6A86")
    card(JPKI)
    assert len(card.data("0084000008")) == 8


def test_data_objects_belong_to_the_power_on_state(talk: Talk) -> None:
    """EMU-19: GET DATA answers before an application is selected; 6A88 otherwise; short Le on a long one 6700."""
    card = talk()
    assert card.data("00CA00F000") == b"13221"
    assert card("00CA123400") == "6A88"
    assert card("00CA00F800") == "6700"
    assert len(card.data("00CA00F8000000")) > 256
    card(JPKI)
    assert card("00CA00F000") == "6A88"
    assert card.data("00CA5F5100") == card.card.behaviour.atr[1:]
    card(select(AIDS[5]))
    assert card.data("00CA00F000") == b"13221"


def test_unknown_commands_have_their_status_words(talk: Talk) -> None:
    """EMU-20: 6D00 instruction, 6E00 class, 6881 channel, 6882 secure messaging, 6700 lengths."""
    card = talk()
    for _ in range(2):
        assert card("00010000") == card("00CB000000") == "6D00"
        assert card("F0A40000") == card("10B00000") == "6E00"
        assert card("01B0000000") == card("8220008000") == "6881"
        assert card("0CB0000000") == "6882"
        assert card("00A4040C05AABB") == card("00") == card("") == card("00B00000000002FF") == "6700"
        card(JPKI)
    assert card("80B0000000") == card("002A0080") == "6E00"
    assert card("80320080") == "6D00"


def test_commands_of_the_issuer_exist_and_refuse(talk: Talk) -> None:
    """§8: present on the card, but only the municipality or the issuer holds their keys."""
    card = talk()
    card(JPKI)
    for ins in ("50", "52", "54", "8A", "A2", "AE"):
        assert card(f"80{ins}0000") == "6982"
    assert (card("80FC0000"), card("008800970401020304")) == ("6700", "6985")


def test_a_card_without_power_answers_too(talk: Talk) -> None:
    """EMU-20: never an unanswered command, not even without power."""
    card = talk()
    card.card.power_off()
    assert card(JPKI) == "6F00"


def test_a_fault_of_the_emulator_becomes_a_status_word(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """EMU-20: an exception in a command is 6F00, and the log shows no byte of the command."""
    card = talk()
    card(JPKI)

    def fail(application: Application, command: CommandApdu) -> bytes:
        raise RuntimeError(application.name, command)

    monkeypatch.setattr(card.card.selected, "commands", {(0x00, 0x20): fail})
    assert card("0020009804", "31323334") == "6F00"
    assert "1234" not in caplog.text
    assert "31323334" not in caplog.text


def test_options_make_the_card_slow_or_odd(talk: Talk) -> None:
    """EMU-23: delay, delay for signing, 6F00 to the first command after power-up, any ATR."""
    odd = talk(behaviour=Behaviour(bytes.fromhex("3B80800101"), first_command_6f00=True))
    assert odd.card.power_on().hex() == "3b80800101"
    assert [odd(JPKI), odd(JPKI)] == ["6F00", "9000"]
    odd.power_cycle()
    assert [odd(JPKI), odd(JPKI)] == ["6F00", "9000"]
    slow = talk(behaviour=Behaviour(delay=0.02, sign_delay=0.05))
    started = time.perf_counter()
    slow(JPKI)
    assert 0.02 <= time.perf_counter() - started < 0.05
    slow("802A009701AA00")
    assert time.perf_counter() - started >= 0.09


def test_a_card_is_pulled_at_a_command(talk: Talk) -> None:
    """EMU-23: the chosen command and all later ones get no answer, and the card has lost its power."""
    card: VirtualCard = talk().card
    transport = InProcessTransport(card, pull_at=2)
    assert transport.send_apdu(bytes.fromhex(JPKI)) == b"\x90\x00"
    for _ in range(2):
        with pytest.raises(CardRemovedError):
            transport.send_apdu(bytes.fromhex(JPKI))
    assert not card.powered


def test_a_closed_transport_gives_no_answer(talk: Talk) -> None:
    """The in-process transport powers the card on when it is made and off when it is closed."""
    card: VirtualCard = talk().card
    with InProcessTransport(card) as transport:
        assert transport.send_apdu(bytes.fromhex(JPKI)) == b"\x90\x00"
    with pytest.raises(CardRemovedError):
        transport.send_apdu(bytes.fromhex(JPKI))


def test_two_cards_do_not_know_each_other(talk: Talk) -> None:
    """EMU-24, in process: tries and flags of one card are not those of another."""
    first, second = talk("adult"), talk("other-town")
    for card in (first, second):
        card(JPKI)
        card("00A4020C020018")
    assert first("0020008004", "39393939") == "63C2"
    assert second("00200080") == "63C3"
    assert first.data("00B08A0000") != second.data("00B08A0000")
