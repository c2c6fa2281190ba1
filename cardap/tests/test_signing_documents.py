"""`mykey sign pdf` and `mykey sign cms` with virtual cards, judged by pdfsig and OpenSSL."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image
from pyhanko.pdf_utils.generic import NumberObject, StreamObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, SimpleSigner, sign_pdf
from pyhanko.sign.fields import MDPPerm
from pyhanko_certvalidator.registry import SimpleCertificateStore

from mykey_cardap.emulator.epoch import today_in_japan
from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.emulator.jpki.authority import persona_key
from mykey_cardap.kinds import CertificateKind
from mykey_terminal.signing.cli import sign

PASSWORD = "ABC123"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A regular PDF, one as Pillow writes it, a text with CR LF, and the CAs of the test JPKI."""
    writer = PdfFileWriter(stream_xrefs=False)
    content = writer.add_object(StreamObject(stream_data=b"q Q"))
    writer.insert_page(PageObject(contents=content, media_box=[NumberObject(n) for n in (0, 0, 200, 200)]))
    out = BytesIO()
    writer.write(out)
    (tmp_path / "in.pdf").write_bytes(out.getvalue())
    Image.new("RGB", (20, 10), "white").save(tmp_path / "irregular.pdf", "PDF")
    (tmp_path / "text.txt").write_bytes("転出届\r\n".encode())
    jpki = EmulatedJpki(today_in_japan())
    cas = (jpki.ca_certificate(CertificateKind.SIGNATURE, generation) for generation in (2, 3, 4))
    (tmp_path / "ca.pem").write_bytes(b"".join(ca.public_bytes(Encoding.PEM) for ca in cas))
    return tmp_path


def run(*arguments: str | Path, persona: str = "adult", password: str = PASSWORD) -> Result:
    """Run `mykey sign` with a virtual card and the password on standard input."""
    options = ["--virtual", persona, "--pin-stdin", "--lang", "en"]
    command, *rest = map(str, arguments)
    return CliRunner().invoke(sign, [command, *options, *rest], input=f"{password}\n")


def pdfsig(path: Path) -> str:
    """What poppler says about the signatures."""
    done = subprocess.run(["pdfsig", "-nocert", path], capture_output=True, text=True, check=False, timeout=30)
    return done.stdout + done.stderr


@pytest.mark.parametrize(("persona", "digest"), [("adult", "SHA-256"), ("next-generation", "SHA-384")])
def test_pdfsig_accepts_a_pdf_signed_by_the_card(folder: Path, persona: str, digest: str) -> None:
    """RSA cards of today and the P-384 card of tomorrow: one valid PAdES signature over the whole document."""
    result = run("pdf", folder / "in.pdf", folder / "out.pdf", "--reason", "転出届のため", persona=persona)
    assert result.exit_code == 0, result.output
    judged = pdfsig(folder / "out.pdf")
    assert "Signature is Valid" in judged
    assert "Total document signed" in judged
    assert f"Signing Hash Algorithm: {digest}" in judged
    assert "ETSI.CAdES.detached" in judged


def test_a_second_person_signs_without_breaking_the_first(folder: Path) -> None:
    """Both signatures are valid, in two fields."""
    assert run("pdf", folder / "in.pdf", folder / "one.pdf").exit_code == 0
    assert run("pdf", folder / "one.pdf", folder / "two.pdf", persona="renewed").exit_code == 0
    judged = pdfsig(folder / "two.pdf")
    assert judged.count("Signature is Valid") == 2
    assert "Signature Field Name: Signature2" in judged


def openssl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """`openssl cms -verify` against the test JPKI, as CAdES."""
    command = ["openssl", "cms", "-verify", "-cades", "-inform", "DER", "-binary", "-purpose", "any"]
    return subprocess.run(
        [*command, "-CAfile", "ca.pem", *arguments], cwd=folder, capture_output=True, check=False, timeout=30
    )


@pytest.mark.parametrize("persona", ["adult", "generation-2", "next-generation"])
def test_openssl_accepts_a_cms_signed_by_the_card(folder: Path, persona: str) -> None:
    """With the content inside OpenSSL gives it back byte by byte, and with it beside it takes only that content."""
    assert run("cms", folder / "text.txt", folder / "in.p7m", persona=persona).exit_code == 0
    inside = openssl(folder, "-in", "in.p7m")
    assert inside.returncode == 0, inside.stderr
    assert inside.stdout == (folder / "text.txt").read_bytes()
    assert run("cms", folder / "text.txt", folder / "d.p7s", "--detached", persona=persona).exit_code == 0
    assert openssl(folder, "-in", "d.p7s", "-content", "text.txt").returncode == 0
    assert openssl(folder, "-in", "d.p7s", "-content", "in.pdf").returncode != 0


def test_small_letters_of_the_password_become_capitals_with_a_word(folder: Path) -> None:
    """The card compares bytes; the program corrects the case and says so."""
    result = run("pdf", folder / "in.pdf", folder / "out.pdf", password="abc123")
    assert result.exit_code == 0
    assert "capitals" in result.stderr
    assert "abc123" not in result.output
    assert "ABC123" not in result.output


def test_a_wrong_password_signs_nothing(folder: Path) -> None:
    """The tries that are left are told, and no file appears."""
    result = run("pdf", folder / "in.pdf", folder / "out.pdf", password="WRONG1")
    assert result.exit_code == 4
    assert "4" in result.stderr
    assert not (folder / "out.pdf").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("text.txt", "out.pdf"), "cannot be read as a PDF"),
        (("in.pdf", "missing/out.pdf"), "cannot be written"),
    ],
)
def test_what_cannot_be_signed_is_told_before_or_after_without_a_file(
    folder: Path, arguments: tuple[str, str], says: str
) -> None:
    """A sentence and an exit code, no traceback."""
    result = run("pdf", *(folder / name for name in arguments))
    assert result.exit_code == 7
    assert says in result.stderr
    assert list(folder.glob(".*")) == []


def test_a_card_without_signature_certificate_is_told_so(folder: Path) -> None:
    """A child's card is not asked for a password that it does not have."""
    result = run("pdf", folder / "in.pdf", folder / "out.pdf", persona="child")
    assert result.exit_code == 7
    assert "no signature certificate" in result.stderr


def test_the_input_is_never_overwritten(folder: Path) -> None:
    """IN and OUT must be two files."""
    before = (folder / "in.pdf").read_bytes()
    assert run("pdf", folder / "in.pdf", folder / "in.pdf").exit_code == 2
    assert (folder / "in.pdf").read_bytes() == before


def test_an_irregular_pdf_takes_one_signature_but_not_two(folder: Path) -> None:
    """Many programs write such files: one signature over the whole is sound, a second could not be verified."""
    assert run("pdf", folder / "irregular.pdf", folder / "one.pdf").exit_code == 0
    assert "Signature is Valid" in pdfsig(folder / "one.pdf")
    second = run("pdf", folder / "one.pdf", folder / "two.pdf", persona="renewed")
    assert second.exit_code == 7
    assert "irregular" in second.stderr


def test_a_card_whose_key_does_not_fit_its_certificate_writes_nothing(folder: Path) -> None:
    """The signature is checked against the certificate before a file is written."""
    result = run("cms", folder / "text.txt", folder / "out.p7m", persona="wrong-key")
    assert result.exit_code == 7
    assert "does not fit the certificate" in result.stderr
    assert not (folder / "out.p7m").exists()


def test_a_certified_pdf_takes_no_further_signature(folder: Path) -> None:
    """When the author forbade all changes, the card signs nothing and the sentence says why."""
    jpki, kind = EmulatedJpki(today_in_japan()), CertificateKind.SIGNATURE
    adult = jpki.persona("adult")
    secret = persona_key(adult, kind).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    author = SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(jpki.certificate(adult, kind).public_bytes(Encoding.DER)),
        signing_key=keys.PrivateKeyInfo.load(secret),
        cert_registry=SimpleCertificateStore(),
    )
    final = PdfSignatureMetadata(field_name="Author", certify=True, docmdp_permissions=MDPPerm.NO_CHANGES)
    writer = IncrementalPdfFileWriter(BytesIO((folder / "in.pdf").read_bytes()))
    (folder / "final.pdf").write_bytes(sign_pdf(writer, final, signer=author).getvalue())
    result = run("pdf", folder / "final.pdf", folder / "out.pdf")
    assert result.exit_code == 7
    assert "allows no further signature" in result.stderr
    assert not (folder / "out.pdf").exists()
