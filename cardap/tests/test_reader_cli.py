"""`mykey card show`, `read-text`, `sign` and `change-pin` with virtual cards: answers, sentences, exit codes."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from string import Formatter
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mykey_cardap import errors
from mykey_cardap.cli import card
from mykey_cardap.cli.frame import ExitCode
from mykey_cardap.cli.wording import Words, language_of_environment

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(card, list(arguments), input=stdin)


def test_show_tells_everything_without_a_pin() -> None:
    """Kind of card, applications, certificates, tries; nothing is asked."""
    result = run("show", "--virtual", "adult", "--lang", "ja")
    assert result.exit_code == 0
    for piece in ("マイナンバーカード", "公的個人認証AP", "利用者証明用", "RSA 2048", "あと3回", "あと5回"):
        assert piece in result.stdout


def test_show_for_programs() -> None:
    """JSON with the same facts, and without serial numbers."""
    result = run("show", "--virtual", "blocked-pin", "--json")
    answer = json.loads(result.stdout)
    assert answer["token"] == "JPKIAPICCTOKEN2"
    pins = {(pin["application"], pin["pin"]): pin for pin in answer["pins"]}
    assert pins["jpki", "authentication"]["blocked"]
    assert pins["jpki", "signature"]["attempts_remaining"] == 5
    assert [item["state"] for item in answer["certificates"]] == ["read", "needs-pin"]
    assert "serial" not in result.stdout


@pytest.mark.parametrize(("persona", "sentence"), [("expired", "expired"), ("not-yet-valid", "not yet valid")])
def test_show_says_when_a_certificate_is_not_valid(persona: str, sentence: str) -> None:
    """Judged at the time of the program's run."""
    assert sentence in run("show", "--virtual", persona, "--lang", "en").stdout


def test_read_text_asks_with_hidden_input() -> None:
    """The tries are shown first, the PIN never appears, the number only on demand."""
    result = run("read-text", "--virtual", "adult", "--lang", "en", stdin="1234\n")
    assert result.exit_code == 0
    assert "見本　花子" in result.stdout
    assert "3 left" in result.stderr
    assert "1234" not in result.output
    assert "Individual number" not in result.output
    more = run("read-text", "--virtual", "adult", "--json", "--with-number", "--pin-stdin", stdin="1234\n")
    answer = json.loads(more.stdout)
    assert len(answer["number"]) == 12
    assert answer["signature_fits_key_on_card"] is True
    assert answer["sex"] == {"code": "2", "name": "female"}


def test_sign_makes_a_signature_that_verifies(tmp_path: Path) -> None:
    """The password in small letters is accepted with a note; signature and certificate are written."""
    document, certificate = tmp_path / "document", tmp_path / "certificate.der"
    document.write_bytes(b"contract")
    result = run(
        *("sign", str(document), "--virtual", "adult", "--lang", "en", "--certificate", str(certificate)),
        stdin="abc123\n",
    )
    assert result.exit_code == 0
    assert "capitals" in result.stderr
    key = x509.load_der_x509_certificate(certificate.read_bytes()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    signature = (tmp_path / "document.sig").read_bytes()
    key.verify(signature, b"contract", padding.PKCS1v15(), hashes.SHA256())


def test_change_pin_is_kept_by_the_card(tmp_path: Path) -> None:
    """The new PIN works in the next run, the old one costs a try."""
    state = str(tmp_path / "card.json")
    options = ("--virtual", "adult", "--state", state, "--lang", "en")
    changed = run("change-pin", "text", *options, stdin="1234\n5678\n5678\n")
    assert changed.exit_code == 0, changed.output
    assert run("read-text", *options, "--pin-stdin", stdin="5678\n").exit_code == 0
    wrong = run("read-text", *options, "--pin-stdin", stdin="1234\n")
    assert wrong.exit_code == ExitCode.WRONG_PIN
    assert "2 more wrong tries" in wrong.stderr


def test_two_different_entries_change_nothing(tmp_path: Path) -> None:
    """The card is not asked."""
    state = str(tmp_path / "card.json")
    result = run("change-pin", "text", "--virtual", "adult", "--state", state, stdin="1234\n5678\n5679\n")
    assert result.exit_code == ExitCode.NOT_ASKED
    assert run("read-text", "--virtual", "adult", "--state", state, stdin="1234\n").exit_code == 0


@pytest.mark.parametrize(
    ("persona", "pin", "code", "name"),
    [
        ("adult", "9999", ExitCode.WRONG_PIN, "PinError"),
        ("blocked-pin", "1234", ExitCode.BLOCKED, "PinBlockedError"),
        ("last-try", "1234", ExitCode.NOT_ASKED, "LastAttemptError"),
        ("adult", "12345", ExitCode.NOT_ASKED, "PinFormatError"),
    ],
)
def test_refusals_have_an_exit_code_and_a_machine_code(
    tmp_path: Path, persona: str, pin: str, code: ExitCode, name: str
) -> None:
    """In JSON the class of the error and a sentence that does not repeat the PIN."""
    document = tmp_path / "document"
    document.write_bytes(b"x")
    options = ("--kind", "authentication", "--virtual", persona, "--json", "--pin-stdin")
    result = run("sign", str(document), *options, stdin=pin + "\n")
    assert result.exit_code == code
    error = json.loads(result.stdout)["error"]
    assert error["code"] == name
    assert pin not in error["message"]
    assert not (tmp_path / "document.sig").exists()


def test_the_last_try_is_used_when_told(tmp_path: Path) -> None:
    """With --use-last-try the right PIN signs."""
    document = tmp_path / "document"
    document.write_bytes(b"x")
    options = ("--kind", "authentication", "--virtual", "last-try", "--use-last-try", "--pin-stdin")
    assert run("sign", str(document), *options, stdin="1234\n").exit_code == 0


def test_wrong_use_is_a_usage_error() -> None:
    """An unknown persona, an empty standard input."""
    assert run("show", "--virtual", "nobody").exit_code == 2
    assert run("read-text", "--virtual", "adult", "--pin-stdin", stdin="").exit_code == 2


def test_both_languages_say_the_same_things() -> None:
    """The same keys and the same blanks in Japanese and English, and a sentence for every branch of errors."""
    table = tomllib.loads(files("mykey_cardap.cli").joinpath("messages.toml").read_text(encoding="utf-8"))

    def blanks(sentences: dict[str, str]) -> dict[str, set[str]]:
        return {key: {name for _, name, _, _ in Formatter().parse(text) if name} for key, text in sentences.items()}

    assert blanks(table["ja"].pop("errors")) == blanks(table["en"].pop("errors"))
    assert blanks(table["ja"]) == blanks(table["en"])
    words = Words("ja")
    wrong = errors.PinError("x", 0x63C2, pin="text", attempts_remaining=2)
    assert words.of_error(wrong).startswith("暗証番号が違います")
    assert "ロックされました" in words.of_error(errors.PinError("x", 0x63C0, pin="text", attempts_remaining=0))
    assert "6F00" in words.of_error(errors.SelfDiagnosisError("x", 0x6F00))
    assert "scdaemon" in words.of_error(errors.ReaderBusyError("x", culprits=("scdaemon",)))


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LC_MESSAGES": "ja_JP.UTF-8", "LANG": "C"}, "ja"),
        ({}, "en"),
    ],
)
def test_the_locale_chooses_the_language(environment: dict[str, str], language: str) -> None:
    """LC_ALL before LC_MESSAGES before LANG."""
    assert language_of_environment(environment) == language
