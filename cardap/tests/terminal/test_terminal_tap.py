"""A tap with the emulated card: the proof verifies, refusals cost nothing, and the PIN stays where it was typed."""

from __future__ import annotations

import base64
import json
import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from mykey_cardap.emulator import InProcessTransport
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind
from mykey_terminal.errors import CardInUseError
from mykey_terminal.problems import problem_of
from mykey_terminal.tap import TapRequest, TapRunner
from mykey_terminal.token import challenge, make_token
from mykey_terminal.tracing import TracingTransport
from mykey_testkit.canaries import gives_away

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mykey_terminal.readers.virtual import VirtualReader

REQUEST = TapRequest("library", "open", {"item": "77001"}, "ja")


def pin(text: str = "1234") -> bytearray:
    return bytearray(text.encode())


def test_challenge_is_the_worked_value_of_the_reference() -> None:
    """H(origin) ‖ H(nonce) of `authentication-hub` §2.1."""
    value = challenge(
        "RS256", origin="https://login.city.example.jp", nonce="MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
    )
    assert value.hex() == (
        "35b49be63feb695b6ff38f9aa52fa1e88bb1c7737e31fba826cdace3bd324bd3"
        "cd83ecc2b41302ed7bc62c2bfe59cb04f2ff11ae16c3aa88b686cc490ab2eadf"
    )


@pytest.mark.parametrize("persona", ["adult", "phone", "next-generation", "old-juki"])
def test_proof_of_every_kind_of_card_verifies(
    runner: TapRunner, reader: VirtualReader, hub_double: Any, persona: str
) -> None:
    """RSA and P-384, plastic and phone: the hub's double verifies the signature and acts once."""
    reader.insert(persona)
    report = runner.run(REQUEST, pin())
    assert report.problem is None
    assert report.result == {"outcome": "done", "code": "opened"}
    assert hub_double.effects == ["/api/v1/taps/tap-1/proof"]
    assert hub_double.taps["tap-1"]["body"] == {
        "service": "library",
        "action": "open",
        "input": {"item": "77001"},
    }
    assert set(hub_double.languages[-3:]) <= {"ja", None}
    assert report.pin is not None
    assert report.pin.attempts_remaining == 3
    assert not report.recovered


def test_pin_is_overwritten_and_goes_nowhere(
    runner: TapRunner, hub_double: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """After a tap the buffer is zero, and neither the hub, the logs nor the trace saw the PIN."""
    caplog.set_level(logging.DEBUG)
    secret = pin()
    report = runner.run(REQUEST, secret)
    assert secret == bytes(4)
    proof = hub_double.bodies[-1]
    assert set(json.loads(proof)) == {"token"}
    assert not any(gives_away(body.decode(), "1234") for body in hub_double.bodies)
    assert not gives_away(caplog.text, "1234")
    shown = [exchange for exchange in report.trace if exchange.note == "verify-pin"]
    assert [exchange.command for exchange in shown] == ["00 20 00 80 04 ** ** ** **"]
    assert all("31 32 33 34" not in exchange.command for exchange in report.trace)


def test_pin_is_gone_before_the_network_is_used_again(
    runner: TapRunner, hub_double: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the proof is sent, and however long the hub then takes, the buffer is zero already."""
    secret = pin()
    seen = []
    good = hub_double._proof

    def proof(request: Any) -> Any:
        seen.append(bytes(secret))
        return good(request)

    monkeypatch.setattr(hub_double, "_proof", proof)
    assert runner.run(REQUEST, secret).problem is None
    assert seen == [bytes(4)]


def test_wrong_pin_costs_one_try_and_no_proof(runner: TapRunner, reader: VirtualReader, hub_double: Any) -> None:
    """The report says how many tries are left; the hub never sees a proof; the buffer is zero as well."""
    secret = pin("9999")
    report = runner.run(REQUEST, secret)
    assert report.problem is not None
    assert (report.problem.code, report.problem.extensions["attempts_remaining"]) == ("pin_wrong", 2)
    assert report.pin is not None
    assert report.pin.attempts_remaining == 2
    assert secret == bytes(4)
    assert hub_double.count("proof") == 0
    assert reader.card_present()


def test_counter_survives_the_terminal(runner: TapRunner, reader: VirtualReader, state: Any) -> None:
    """A try that was lost stays lost when the reader is made anew, as on a real card."""
    runner.run(REQUEST, pin("9999"))
    reader.insert(None)
    again = type(reader)(state.cards)
    again.insert("adult")
    with again.open() as transport:
        assert JpkiSession(transport).pin_status("authentication").attempts_remaining == 2


def test_a_card_is_in_one_reader_only(reader: VirtualReader, state: Any) -> None:
    """A second reader of the tray is refused and stays empty until the first gives the card out, or takes another."""
    other = type(reader)(state.cards)
    other.insert("child")
    with pytest.raises(CardInUseError) as refused:
        other.insert("adult")
    assert (problem_of(refused.value).status, problem_of(refused.value).code) == (409, "card_in_use")
    assert other.inserted is None
    assert not other.card_present()
    reader.insert("child")  # which the other one has just lost
    other.insert("adult")
    with pytest.raises(CardInUseError):
        reader.insert("adult")
    other.insert(None)
    reader.insert("adult")
    with reader.open() as transport:
        assert JpkiSession(transport).pin_status("authentication").attempts_remaining == 3


def test_last_try_is_kept_unless_allowed(runner: TapRunner, reader: VirtualReader) -> None:
    """With one try left the card is not asked; with permission the right PIN opens it."""
    reader.insert("last-try")
    report = runner.run(REQUEST, pin())
    assert report.problem is not None
    assert (report.problem.code, report.problem.extensions["attempts_remaining"]) == ("last_attempt", 1)
    assert all(exchange.note != "verify-pin" for exchange in report.trace)
    report = runner.run(replace(REQUEST, allow_last_attempt=True), pin())
    assert report.problem is None


def test_last_try_that_was_wrong_blocks(runner: TapRunner, reader: VirtualReader) -> None:
    """The try that uses up the counter is reported as blocked, and so is every later one."""
    reader.insert("last-try")
    for _ in range(2):
        report = runner.run(replace(REQUEST, allow_last_attempt=True), pin("9999"))
        assert report.problem is not None
        assert report.problem.code == "pin_blocked"
    assert report.pin is not None
    assert report.pin.blocked


@pytest.mark.parametrize("text", ["123", "12345", "12a4", "", "１２３４"])
def test_text_that_is_no_pin_costs_nothing(runner: TapRunner, reader: VirtualReader, text: str) -> None:
    """What cannot be the PIN is not presented."""
    report = runner.run(REQUEST, pin(text))
    assert report.problem is not None
    assert report.problem.code == "pin_format"
    with reader.open() as transport:
        assert JpkiSession(transport).pin_status("authentication").attempts_remaining == 3


def test_empty_reader_opens_no_tap(runner: TapRunner, reader: VirtualReader, hub_double: Any) -> None:
    """Without a card the hub is not asked for a tap."""
    reader.insert(None)
    report = runner.run(REQUEST, pin())
    assert report.problem is not None
    assert report.problem.code == "no_card"
    assert hub_double.taps == {}


@pytest.mark.parametrize(
    "origin",
    ["https://bank.example", "https://hub.example.jp/", "https://hub.example.jp:443", "HTTPS://hub.example.jp"],
)
def test_card_signs_for_the_enrolled_origin_only(runner: TapRunner, hub_double: Any, origin: str) -> None:
    """A hub that asks for another origin, even one that looks alike, gets no APDU sent and no PIN used."""
    hub_double.tap_origin = origin
    secret = pin()
    report = runner.run(REQUEST, secret)
    assert report.problem is not None
    assert report.problem.code == "origin_mismatch"
    assert report.trace == ()
    assert secret == bytes(4)


@pytest.mark.parametrize("needs", [["text-attributes"], [], ["authentication-pin", "signature-pin"]])
def test_needs_that_are_not_understood_are_refused(runner: TapRunner, hub_double: Any, needs: list[str]) -> None:
    """A terminal does not guess what a newer hub wants of the card."""
    hub_double.needs = needs
    report = runner.run(REQUEST, pin())
    assert report.problem is not None
    assert report.problem.code == "need_not_supported"
    assert report.trace == ()


def test_child_has_no_signing_certificate(runner: TapRunner, reader: VirtualReader, hub_double: Any) -> None:
    """A tap that needs the signing certificate refuses a child's card before any password is presented."""
    hub_double.needs = ["signature-pin"]
    reader.insert("child")
    report = runner.run(REQUEST, pin("ABC123"))
    assert report.problem is not None
    assert (report.problem.code, report.problem.extensions["kind"]) == ("certificate_not_on_card", "signature")
    assert all(exchange.note != "verify-pin" for exchange in report.trace)


def test_signing_certificate_signs_with_its_password(runner: TapRunner, hub_double: Any) -> None:
    """The other key pair works the same way; its password is masked byte for byte."""
    hub_double.needs = ["signature-pin"]
    report = runner.run(REQUEST, pin("abc123"))
    assert report.problem is None
    (shown,) = (exchange.command for exchange in report.trace if exchange.note == "verify-pin")
    assert shown == "00 20 00 80 06 ** ** ** ** ** **"


class PulledReader:
    """A reader whose card is pulled at the n-th command."""

    name = "pulled"
    kind = "virtual"

    def __init__(self, at: int) -> None:
        self.at = at

    def card_present(self) -> bool:
        """There is a card at the beginning."""
        return True

    @contextmanager
    def open(self) -> Iterator[InProcessTransport]:
        """A card that will be pulled."""
        with InProcessTransport(make_card("adult"), pull_at=self.at) as transport:
            yield transport


@pytest.mark.parametrize("at", range(1, 15))
def test_card_pulled_at_any_command_sends_no_proof(runner: TapRunner, hub_double: Any, at: int) -> None:
    """Whenever the card leaves before the signature is complete, the report says so and the hub hears nothing."""
    runner.reader = PulledReader(at)
    secret = pin()
    report = runner.run(REQUEST, secret)
    assert report.problem is not None
    assert report.problem.code == "card_removed"
    assert secret == bytes(4)
    assert hub_double.count("proof") == 0


def test_card_pulled_after_the_signature_does_no_harm(runner: TapRunner, hub_double: Any) -> None:
    """Leaving while the terminal logs out is no error: the proof is complete."""
    runner.reader = PulledReader(16)
    report = runner.run(REQUEST, pin())
    assert report.problem is None
    assert len(hub_double.effects) == 1
    assert report.pin is None


def test_verified_pin_is_gone_after_a_tap(runner: TapRunner, reader: VirtualReader) -> None:
    """The terminal logs out by itself, and nobody else can sign with the card that was just used."""
    notes = [exchange.note for exchange in runner.run(REQUEST, pin()).trace]
    assert notes[notes.index("sign") + 1] == "select-application"
    with reader.open() as transport:
        session = JpkiSession(transport)
        with pytest.raises(Exception, match="6982"):
            session.sign_message(CertificateKind.AUTHENTICATION, b"x")


class Recorder:
    """A transport that answers 9000 and remembers nothing."""

    def send_apdu(self, _command: bytes) -> bytes:
        """Say yes."""
        return b"\x90\x00"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("00200080", "00 20 00 80"),
        ("0020008000", "00 20 00 80 00"),
        ("002000800431323334", "00 20 00 80 04 ** ** ** **"),
        ("0020008000000431323334", "00 20 00 80 ** ** ** ** ** ** **"),
        ("00240180063132333435 36", "00 24 01 80 06 ** ** ** ** ** **"),
        ("803200800431323334", "80 32 00 80 04 ** ** ** **"),
        ("0C20008004313233", "0C 20 00 80 04 ** ** **"),
    ],
)
def test_trace_masks_every_command_that_may_hold_a_pin(command: str, shown: str) -> None:
    """INS 20, 24 and 32 are masked in every class, also when the lengths are wrong or extended."""
    transport = TracingTransport(Recorder())
    transport.send_apdu(bytes.fromhex(command))
    transport.send_secret_apdu(bytearray.fromhex(command))
    assert [exchange.command for exchange in transport.exchanges] == [shown, shown]


def test_trace_shows_no_serial_number(runner: TapRunner, hub_double: Any) -> None:
    """Of a certificate only its first bytes are shown; its serial number stands behind them."""
    report = runner.run(REQUEST, pin())
    token = json.loads(hub_double.bodies[-1])["token"]
    certificate = x509.load_der_x509_certificate(base64.b64decode(token["unverifiedCertificate"]))
    serial = certificate.serial_number.to_bytes(4, "big").lstrip(b"\0").hex(" ").upper()
    responses = [exchange.response for exchange in report.trace if exchange.note == "read"]
    assert responses[0].startswith("30 82")
    assert all(serial not in response for response in responses)
    assert all(response.startswith("… (") for response in responses[2:])


def test_token_of_another_key_does_not_verify(runner: TapRunner, hub_double: Any, monkeypatch: Any) -> None:
    """The double is no rubber stamp: a signature over another nonce is refused, and the tap is used up."""

    def other_nonce(session: JpkiSession, kind: CertificateKind, *, origin: str, nonce: str) -> dict[str, str]:
        return make_token(session, kind, origin=origin, nonce=nonce[::-1])

    monkeypatch.setattr("mykey_terminal.tap.make_token", other_nonce)
    report = runner.run(REQUEST, pin())
    assert report.problem is not None
    assert report.problem.code == "token_signature"
    assert hub_double.effects == []
