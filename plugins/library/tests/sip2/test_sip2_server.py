"""Our server with bytes as machines send them: login, repeats, damage, pieces, limits, TLS, and several at once."""

from __future__ import annotations

import ipaddress
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from mykey_library.circulation import CheckoutRequest
from mykey_library.sip2.errors import ConfigurationError, ConnectionFailed
from mykey_library.sip2.framing import seal
from mykey_library.sip2.settings import load_server_settings

LOGIN = b"9300CNkiosk01|COmachine-password|CPMAIN|"
DATE = b"20261123    150000"
PATRON, ITEM = b"10000017", b"A1000001"
CHECKOUT = b"11YN" + DATE + b" " * 18 + b"AOx|AA" + PATRON + b"|AB" + ITEM + b"|AC|"
CHECKIN = b"09N" + DATE + DATE + b"APUnder the bed|AOx|AB" + ITEM + b"|AC|"


@pytest.fixture
def machine(serve: Callable[..., Any], raw: Callable[[int], Any]) -> Any:
    """A raw line that has logged in with a checksum."""
    line = raw(serve().port)
    assert line.ask(seal(LOGIN, 0) + b"\r") == b"941AY0AZFDFD\r"
    return line


def test_a_repeated_request_is_done_once(machine: Any, library: Any) -> None:
    """The same bytes again get the same bytes again, and are not carried out again."""
    frame = seal(CHECKOUT, 1) + b"\r"
    first = machine.ask(frame)
    assert first.startswith(b"121NNY")
    assert machine.ask(frame) == first
    assert library.acts()["lent"] == 1
    assert library.acts()["renewed"] == 0


def test_the_last_answer_again(machine: Any) -> None:
    """97 repeats the last answer; before anything was answered, and after damage, it is 96."""
    first = machine.ask(seal(CHECKOUT, 7) + b"\r")
    assert machine.ask(b"97AZFEF5\r") == first
    assert machine.ask(b"11spoiltAY7AZ0000\r") == b"96AZFEF6\r"
    assert machine.ask(b"97AZFEF5\r") == b"96AZFEF6\r"


def test_97_first(serve: Callable[..., Any], raw: Callable[[int], Any]) -> None:
    """There is nothing to repeat on a new line."""
    assert raw(serve().port).ask(b"97AZFEF5\r") == b"96AZFEF6\r"


def test_repeat_without_sequence(serve: Callable[..., Any], raw: Callable[[int], Any]) -> None:
    """An account may ask for repeated answers without AY."""
    line = raw(serve(resend_with_sequence=False).port)
    line.ask(seal(LOGIN, 0) + b"\r")
    first = line.ask(seal(b"99" + b"0" + b"080" + b"2.00", 4) + b"\r")
    again = line.ask(b"97AZFEF5\r")
    assert b"AY4" in first
    assert b"AY" not in again
    assert again[:-5].rstrip() == first.partition(b"AY4")[0] + b"AZ"


@pytest.mark.parametrize(
    "frame",
    [
        CHECKOUT + b"AY1AZ0000",
        CHECKOUT,
        CHECKOUT + b"AY1",
        seal(CHECKOUT, 1).replace(b"AY1AZ", b"AY1QZ"),
        seal(b"11YN2026", 1),
        seal(b"11YN" + DATE + b" " * 18 + b"AOx|AA" + PATRON + b"|", 1),
        seal(b"55hello", 1),
        seal(b"121NNY" + DATE + b"AOx|AA1|AB1|AJ|AH|", 1),
        seal(b"96", 1),
    ],
    ids=["sum", "no-trailer", "half-trailer", "spoilt-letters", "short", "no-item", "unknown", "an-answer", "96"],
)
def test_damage_is_not_executed(machine: Any, library: Any, frame: bytes) -> None:
    """What is damaged or no request is answered with 96, and nothing is lent; the line goes on."""
    assert machine.ask(frame + b"\r") == b"96AZFEF6\r"
    assert library.loans() == {}
    assert machine.ask(seal(CHECKOUT, 2) + b"\r").startswith(b"121")


def test_without_error_detection(serve: Callable[..., Any], raw: Callable[[int], Any]) -> None:
    """A machine that sends no AY and AZ gets none."""
    line = raw(serve().port)
    assert line.ask(LOGIN + b"\r") == b"941\r"
    assert b"AZ" not in line.ask(CHECKOUT + b"\r")


def test_error_detection_required(serve: Callable[..., Any], raw: Callable[[int], Any], library: Any) -> None:
    """An account may insist on AY and AZ from the first message after the login on."""
    line = raw(serve(error_detection="required").port)
    assert line.ask(LOGIN + b"\r") == b"941\r"
    assert line.ask(CHECKOUT + b"\r") == b"96AZFEF6\r"
    assert library.loans() == {}


def test_pieces(machine: Any) -> None:
    """Single bytes, two messages in one piece, stray line ends: answers come in the order of the requests."""
    for octet in seal(CHECKOUT, 1) + b"\r\n":
        machine.send(bytes([octet]))
    assert machine.line().startswith(b"121")
    machine.send(seal(CHECKIN, 2) + b"\r\n\r" + seal(CHECKOUT, 3) + b"\r\n")
    assert machine.line().startswith(b"101")
    assert machine.line().startswith(b"121")


@pytest.mark.parametrize(
    "login",
    [
        b"9300CNkiosk01|COwrong|",
        b"9300CNnobody|COmachine-password|",
        b"9310CNkiosk01|COmachine-password|",
        b"9301CNkiosk01|COmachine-password|",
        b"9300CN" + b"\xff" * 300 + b"|CO\x00|",
    ],
)
def test_login_refused(serve: Callable[..., Any], raw: Callable[[int], Any], login: bytes) -> None:
    """A wrong login, or one by another algorithm, is told and ends the connection."""
    line = raw(serve().port)
    assert line.ask(login + b"\r") == b"940\r"
    assert line.closed()


def test_nothing_before_login(serve: Callable[..., Any], raw: Callable[[int], Any], library: Any) -> None:
    """Any other message before the login ends the connection without an answer."""
    line = raw(serve().port)
    line.send(CHECKOUT + b"\r")
    assert line.closed()
    assert library.loans() == {}


def test_too_long(serve: Callable[..., Any], raw: Callable[[int], Any], machine: Any) -> None:
    """A message without end is cut off; other lines go on."""
    line = raw(serve().port)
    line.ask(LOGIN + b"\r")
    line.send(b"11" + b"x" * 70_000)
    assert line.line() == b"96AZFEF6\r"
    assert line.closed()
    assert machine.ask(seal(CHECKOUT, 1) + b"\r").startswith(b"121")


def test_a_silent_machine(raw: Callable[[int], Any], serve: Callable[..., Any]) -> None:
    """Whoever connects and says nothing is shown out."""
    from mykey_library.sip2.settings import ServerSettings

    account = {"user": "kiosk01", "password_hash": "x"}
    settings = ServerSettings.model_validate({"institution": "x", "login_seconds": 0.1, "accounts": [account]})
    assert raw(serve(settings).port).closed()


def test_a_new_login_ends_the_old_one(serve: Callable[..., Any], raw: Callable[[int], Any], library: Any) -> None:
    """With `exclusive` the earlier connection of the account is ended, and what it still sends is not done."""
    port = serve(exclusive=True).port
    old, new = raw(port), raw(port)
    old.ask(LOGIN + b"\r")
    new.ask(LOGIN + b"\r")
    assert old.closed()
    assert library.loans() == {}


def test_old_work_is_finished_before_a_new_login(
    serve: Callable[..., Any], raw: Callable[[int], Any], library: Any
) -> None:
    """After a new login nothing of the account is under way: what a look-up sees then is final."""
    port = serve().port
    old, new = raw(port), raw(port)
    old.ask(LOGIN + b"\r")
    library.slow = 1.5
    began = time.monotonic()
    old.send(CHECKOUT + b"\r")
    time.sleep(0.1)
    assert new.ask(LOGIN + b"\r") == b"941\r"
    assert time.monotonic() - began > 1.5
    library.slow = 0.0
    assert list(library.loans()) == [ITEM.decode()]


def test_numbers_are_echoed(machine: Any) -> None:
    """Unknown numbers, however strange, are looked up and echoed as they came."""
    strange = b"\xff\x80%s'\";--" + b"9" * 200
    answer = machine.ask(seal(b"17" + DATE + b"AOx|AB" + strange + b"|", 1) + b"\r")
    assert answer.startswith(b"1801")
    assert b"AB" + strange + b"|AJ|" in answer


def test_senseless_dates(machine: Any) -> None:
    """Dates that mean nothing change nothing: the server uses its own clock."""
    frame = CHECKOUT.replace(DATE, b"99999999zzzz999999")
    assert b"20261123    150000" in machine.ask(seal(frame, 1) + b"\r")


def test_words_in_the_language_of_the_request(machine: Any) -> None:
    """A patron who asked in English gets the reasons in English."""
    machine.ask(seal(b"23001" + DATE + b"AOx|AA" + PATRON + b"|AC|AD|", 1) + b"\r")
    wrong = CHECKOUT.replace(b"|AB" + ITEM, b"|ABZ0000000")
    english = machine.ask(seal(wrong, 2) + b"\r")
    assert english.startswith(b"120NUN")
    assert english.partition(b"|AF")[2].partition(b"|")[0].isascii()
    machine.ask(seal(b"35" + DATE + b"AOx|AA" + PATRON + b"|", 3) + b"\r")
    japanese = machine.ask(seal(wrong, 4) + b"\r").decode()
    assert "その資料は見つかりません" in japanese


def test_counts_and_windows(machine: Any) -> None:
    """63: the charged count follows loans at once; BP and BQ cut the list; no list without a Y."""
    for number in range(1, 5):
        machine.ask(seal(CHECKOUT.replace(b"|AB" + ITEM, b"|ABA100000%d" % number), number) + b"\r")
    ask = b"63001" + DATE + b"  Y       AOx|AA" + PATRON + b"|AC|AD|"
    whole = machine.ask(seal(ask, 5) + b"\r")
    assert whole[2 + 14 + 3 + 18 :][8:12] == b"0004"
    assert whole.count(b"|AU") == 4
    assert machine.ask(seal(ask + b"BP2|BQ3|", 6) + b"\r").count(b"|AU") == 2
    assert machine.ask(seal(ask.replace(b"  Y", b"   "), 7) + b"\r").count(b"|AU") == 0
    assert machine.ask(seal(ask + b"BPx|BQ-9|", 8) + b"\r").count(b"|AU") == 4


def test_a_fault_of_the_library_ends_the_line_without_an_answer(
    machine: Any, library: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """After a fault nobody knows what was done: no answer is sent, and the log holds no number."""
    library.fault = RuntimeError("10000017 has A1000001")
    machine.send(seal(CHECKOUT, 1) + b"\r")
    assert machine.closed()
    library.fault = None
    assert library.loans() == {}
    assert "10000017" not in caplog.text


def test_many_machines_at_once(serve: Callable[..., Any], connect: Callable[..., Any], library: Any) -> None:
    """Eight machines want the same item at the same time: one gets it."""
    port = serve().port
    systems = [connect(port)[1] for _ in range(8)]
    done: list[bool] = []
    threads = [
        threading.Thread(
            target=lambda system: done.append(
                system.checkout(CheckoutRequest("10000017", "A1000001", renewal_allowed=False)).done
            ),
            args=(system,),
        )
        for system in systems
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(done) == [False] * 7 + [True]
    assert library.acts()["lent"] == 1


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "library.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, private


def test_tls(serve: Callable[..., Any], tmp_path: Path) -> None:
    """With a certificate the server speaks TLS only, and our client checks it."""
    from dataclasses import replace

    from mykey_library.sip2.client import Peer, Sip2Connection
    from mykey_library.sip2.settings import ServerSettings, Tls

    certificate, key = _certificate(tmp_path)
    from werkzeug.security import generate_password_hash

    account = {"user": "kiosk01", "password_hash": generate_password_hash("p")}
    settings = ServerSettings.model_validate({"institution": "x", "accounts": [account]})
    port = serve(settings.model_copy(update={"tls": Tls(certificate=certificate, key=key)})).port
    peer = Peer("127.0.0.1", port, "x", user="kiosk01", password="p", tls=True, tls_authority=certificate)
    connection = Sip2Connection(peer)
    connection.open()
    assert connection.status is not None
    connection.close()
    with pytest.raises(ConnectionFailed):
        Sip2Connection(replace(peer, tls_authority=None)).open()
    assert ssl.OPENSSL_VERSION


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("institution = ", "sip2.toml"),
        ('institution = "x"\naccounts = []', "accounts"),
        ('institution = "x"\n[[accounts]]\nuser = "a"\npassword_hash = "h"\ncharset = "ebcdic"', "charset"),
        ('institution = "x"\nwrong = 1\n[[accounts]]\nuser = "a"\npassword_hash = "h"', "wrong"),
    ],
)
def test_bad_settings(tmp_path: Path, text: str, told: str) -> None:
    """A wrong settings file is told with its place."""
    path = tmp_path / "sip2.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=told):
        load_server_settings(path)
