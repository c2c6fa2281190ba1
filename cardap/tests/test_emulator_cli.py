"""`mykey card personas`, `export` and `simulate` as a user meets them, and the personas themselves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509

from mykey_cardap.cli import card
from mykey_cardap.emulator import personas
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.emulator.contents.holder import check_digit

TODAY = date(2026, 11, 23)
FIXED = {
    "adult",
    "child",
    "pinless",
    "phone",
    "held",
    "revoked",
    "expired",
    "superseded",
    "renewed",
    "generation-1",
    "generation-2",
    "next-generation",
    "other-town",
    "blocked-pin",
    "last-try",
    "forged-ca",
    "long-name",
    "former-name",
    "old-juki",
}


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    done = CliRunner().invoke(card, arguments)
    return done.exit_code, done.output


def test_the_list_names_every_persona_with_its_numbers() -> None:
    """The table for people and the JSON for programs; the adult's PINs are 1234 and ABC123."""
    code, table = run("personas")
    assert code == 0
    code, output = run("personas", "--json")
    people = {person["name"]: person for person in json.loads(output)}
    assert code == 0
    assert set(people) >= FIXED
    assert all(name in table for name in people)
    assert (people["adult"]["auth_pin"], people["adult"]["sign_pin"]) == ("1234", "ABC123")
    assert people["other-town"]["municipality"] == "102016"


@pytest.mark.parametrize("name", personas.names())
def test_every_persona_is_complete(name: str) -> None:
    """Texts in two languages, valid numbers, and a card that can be made."""
    person = personas.load(name, TODAY)
    assert all((person.title.ja, person.title.en, person.purpose.ja, person.purpose.en))
    assert person.number_a[-1] == check_digit(person.number_a[:-1])
    assert person.number_a.startswith("9")
    assert len(person.number_b) == 14
    assert make_card(name, today=TODAY).power_on()


def test_personas_have_numbers_of_their_own() -> None:
    """No two people share a number; only the two cards of one person and the forgeries do."""
    numbers = {}
    for name in personas.names():
        numbers.setdefault(personas.load(name, TODAY).number_a, []).append(name)
    assert [names for names in numbers.values() if len(names) > 1] == [["superseded", "renewed"]]


def test_names_cover_what_systems_stumble_over() -> None:
    """§26: 𠮷 髙 﨑, a variation selector, 旧氏, long values, and a name without U+3000."""
    rare = personas.load("rare-name", TODAY).holder.name
    assert all(character in rare for character in "𠮷髙﨑\U000e0100")
    long = personas.load("long-name", TODAY).holder
    assert min(len(long.name.encode()), len(long.address.encode())) > 255
    assert personas.load("former-name", TODAY).holder.former_name
    assert "\u3000" not in personas.load("foreign-name", TODAY).holder.name


def test_a_child_stays_a_child() -> None:
    """Under 15 for the whole epoch, whenever that is."""
    for today in (date(2026, 1, 1), date(2041, 12, 31)):
        child = personas.load("child", today).holder
        assert today.year - child.birth_date.year < 15


def test_an_unknown_persona_is_an_error_for_people() -> None:
    """No traceback; the message says where the names are."""
    for arguments in (("export", "nobody", "--what", "text"), ("simulate", "nobody")):
        code, output = run(*arguments)
        assert code == 1
        assert "mykey card personas" in output


@pytest.mark.parametrize("what", ["auth-cert", "sign-cert", "auth-ca", "sign-ca"])
def test_certificates_are_exported_in_three_forms(what: str, tmp_path: Path) -> None:
    """PEM by default, DER and JSON on request, to a file or to standard output."""
    path = tmp_path / "out"
    assert run("export", "adult", "--what", what, "-o", str(path))[0] == 0
    pem = x509.load_pem_x509_certificate(path.read_bytes())
    assert run("export", "adult", "--what", what, "--der", "-o", str(path))[0] == 0
    assert x509.load_der_x509_certificate(path.read_bytes()) == pem
    fields = json.loads(run("export", "adult", "--what", what, "--json")[1])
    assert int(fields["serial"], 16) == pem.serial_number


def test_files_of_the_other_applications_are_exported(tmp_path: Path) -> None:
    """The basic four and the card face as bytes, everything as JSON."""
    fields = json.loads(run("export", "adult", "--what", "text", "--json")[1])
    assert (fields["name"], fields["number"]) == ("見本　花子", personas.load("adult").number_a)
    path = tmp_path / "face"
    assert run("export", "adult", "--what", "face", "--der", "-o", str(path))[0] == 0
    assert path.read_bytes()[:2].hex() == "ff20"
    assert "face" not in json.loads(run("export", "adult", "--what", "face")[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "child", "--what", "sign-cert"), "no signature certificate"),
        (("export", "adult", "--what", "text", "--pem"), "--json or --der"),
        (("export", "adult", "--what", "auth-cert", "-o", "/nonexistent/x"), "cannot write"),
        (("simulate", "adult", "--vpcd", "localhost:99999"), "a port is a number"),
        (("simulate", "adult", "--vpcd", "localhost:x"), "a port is a number"),
        (("simulate", "adult", "--atr", "00"), "an ATR has"),
        (("simulate", "adult", "--state", "/nonexistent/x"), "cannot use the state file"),
    ],
)
def test_mistakes_are_explained(arguments: tuple[str, ...], message: str) -> None:
    """A sentence and an exit code, never a traceback."""
    code, output = run(*arguments)
    assert code != 0
    assert message in output


def test_help_warns_of_the_open_port() -> None:
    """The reader driver listens on all interfaces; whoever uses it is told."""
    _, output = run("simulate", "--help")
    assert "ALL network interfaces" in " ".join(output.split())


def test_a_simulation_ends_cleanly_and_holds_its_state_file(tmp_path: Path) -> None:
    """SIGTERM takes the card out; while it runs, a second program on the same state file is refused."""
    state = tmp_path / "card.json"
    command = [sys.executable, "-m", "mykey_cardap.cli", "simulate", "adult", "--vpcd", "127.0.0.1:1"]
    first = subprocess.Popen([*command, "--state", state], stderr=subprocess.PIPE, text=True)
    assert first.stderr
    try:
        assert "waiting for pcscd" in first.stderr.readline()
        second = subprocess.run([*command, "--state", state], capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert "another program uses the state file" in second.stderr
    finally:
        os.kill(first.pid, signal.SIGTERM)
        _, rest = first.communicate(timeout=10)
    assert "was taken out after 0 commands" in rest
    assert first.returncode == 0
