"""The certificates of the emulated JPKI, judged by the openssl program (§14, §15; EMU-21)."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from mykey_cardap.emulator import keystore, personas
from mykey_cardap.emulator.contents.holder import CardSex
from mykey_cardap.emulator.epoch import epoch_year, nth_birthday_after
from mykey_cardap.emulator.jpki import EmulatedJpki, profile
from mykey_cardap.emulator.jpki.authority import persona_key
from mykey_cardap.emulator.personas import Issuer
from mykey_cardap.kinds import CertificateKind

TODAY = date(2026, 11, 23)
JPKI = EmulatedJpki(TODAY)
AUTHENTICATION, SIGNATURE = CertificateKind
GENUINE = [name for name in personas.names() if personas.load(name, TODAY).issuer is Issuer.GENUINE]


def certificate(persona: str, kind: CertificateKind = AUTHENTICATION) -> x509.Certificate:
    """The certificate of a persona."""
    return JPKI.certificate(personas.load(persona, TODAY), kind)


def text_of(found: x509.Certificate, *options: str) -> str:
    """What `openssl x509 -text` says."""
    command = ["openssl", "x509", "-noout", "-text", "-nameopt", "utf8,sep_comma_plus_space", *options]
    pem = found.public_bytes(Encoding.PEM)
    return subprocess.run(command, input=pem, check=True, capture_output=True).stdout.decode()


def openssl_verifies(folder: Path, leaf: x509.Certificate, authority: x509.Certificate, when: date) -> bool:
    """What `openssl verify` says, at noon of a day, with this authority as the only trusted one."""
    paths = [folder / "ca.pem", folder / "leaf.pem"]
    for path, found in zip(paths, (authority, leaf), strict=True):
        path.write_bytes(found.public_bytes(Encoding.PEM))
    instant = str(int(datetime(when.year, when.month, when.day, 12, tzinfo=UTC).timestamp()))
    command = ["openssl", "verify", "-x509_strict", "-ignore_critical", "-attime", instant, "-CAfile", *paths]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_authentication_certificate_as_openssl_prints_it() -> None:
    """§14.1: subject without a name, critical usage and policy with CPS, CRL partition, AKI in full, OCSP."""
    text = text_of(certificate("adult"))
    for line in (
        "Issuer: C=JP, O=JPKI-EMU, OU=JPKI for user authentication, OU=Emulated Agency",
        "Not Before: Dec 31 15:00:00 2025 GMT",
        "Not After : Feb 17 14:59:59 2030 GMT",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "X509v3 Certificate Policies: critical\n                Policy: 1.2.392.200149.8.5.1.3.30\n",
        "CPS: http://jpki-emu.invalid/cps.html",
        "OU = CRL Distribution Points, OU = Tokyo-to, CN = Kiyose-shi CRLDP",
        "serial:06:D1:80:E1",
        "OCSP - URI:http://ocspauthnorm.jpki-emu.invalid",
    ):
        assert line in text, line
    assert "Subject Alternative Name" not in text


def test_signature_certificate_as_openssl_prints_it() -> None:
    """§14.1: places in romaji, non-repudiation, and six otherNames in the order .1 .4 .3 .5 .2 .6."""
    text = text_of(certificate("adult", SIGNATURE))
    assert re.search(r"Subject: C=JP, L=Tokyo-to, L=Kiyose-shi, CN=\d{22}A\n", text)
    assert "Digital Signature, Non Repudiation" in text
    assert "Policy: 1.2.392.200149.8.5.1.1.20" in text
    names = re.findall(r"othername: 1\.2\.392\.200149\.8\.5\.5\.(\d)::([^,\n]*)", text)
    assert [number for number, _ in names] == ["1", "4", "3", "5", "2", "6"]
    values = dict(names)
    assert values["1"] == "見本　花子"
    assert values["5"] == "東京都清瀬市見本町１－２－３"
    assert (values["4"], values["3"]) == ("319800217", "2")
    assert values["2"] == "0" * 5


@pytest.mark.parametrize("name", GENUINE)
@pytest.mark.parametrize("kind", CertificateKind)
def test_openssl_verifies_every_genuine_certificate(name: str, kind: CertificateKind, tmp_path: Path) -> None:
    """Each verifies under the CA of its own generation while both are valid, and under no other one."""
    persona = personas.load(name, TODAY)
    leaf = JPKI.certificate(persona, kind)
    issued = persona.issued
    right = JPKI.ca_certificate(kind, persona.generation)
    assert openssl_verifies(tmp_path, leaf, right, issued)
    wrong = JPKI.ca_certificate(kind, 3 if persona.generation != 3 else 2)
    assert not openssl_verifies(tmp_path, leaf, wrong, issued)


@pytest.mark.parametrize("today", [date(2026, 1, 1), date(2029, 12, 31), date(2030, 1, 1), date(2041, 6, 6)])
@pytest.mark.parametrize("name", ["adult", "child", "renewed", "generation-2", "superseded", "next-generation"])
def test_certificates_are_valid_whenever_they_are_used(today: date, name: str, tmp_path: Path) -> None:
    """The epoch rule: on every day of the epoch the cards that should be valid are."""
    jpki = EmulatedJpki(today)
    persona = personas.load(name, today)
    authority = jpki.ca_certificate(AUTHENTICATION, persona.generation)
    assert openssl_verifies(tmp_path, jpki.certificate(persona, AUTHENTICATION), authority, today)


@pytest.mark.parametrize("today", [date(2026, 1, 1), date(2029, 12, 31)])
def test_certificates_outside_their_validity_stay_so(today: date) -> None:
    """`expired` and `not-yet-valid` are what they say on every day; so is the first CA generation."""
    jpki = EmulatedJpki(today)
    now = datetime(today.year, today.month, today.day, tzinfo=UTC)
    assert jpki.certificate(personas.load("expired", today), AUTHENTICATION).not_valid_after_utc < now
    assert jpki.certificate(personas.load("not-yet-valid", today), AUTHENTICATION).not_valid_before_utc > now
    assert jpki.ca_certificate(AUTHENTICATION, 1).not_valid_after_utc < now
    first = jpki.certificate(personas.load("generation-1", today), AUTHENTICATION)
    assert first.not_valid_before_utc < now < first.not_valid_after_utc


def test_epoch_years_and_birthdays() -> None:
    """The latest year that leaves 2 when divided by 4; the fifth birthday after issue."""
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2029, 12, 31), date(2030, 1, 1)]
    assert [epoch_year(day) for day in days] == [2022, 2026, 2026, 2030]
    assert nth_birthday_after(date(1980, 2, 17), date(2026, 1, 1), 5) == date(2030, 2, 17)
    assert nth_birthday_after(date(1980, 1, 1), date(2026, 1, 1), 5) == date(2031, 1, 1)
    assert nth_birthday_after(date(2000, 2, 29), date(2026, 1, 1), 1) == date(2026, 2, 28)


def test_two_runs_in_an_epoch_give_the_same_bytes() -> None:
    """Deterministic: only the year of the epoch matters, also for ECDSA."""
    later = EmulatedJpki(date(2029, 3, 3))
    for name in ("adult", "next-generation"):
        assert later.certificate(later.persona(name), SIGNATURE) == certificate(name, SIGNATURE)
    assert later.ca_certificate(SIGNATURE, 4) == JPKI.ca_certificate(SIGNATURE, 4)


def test_all_generations_of_a_kind_share_their_name() -> None:
    """§15: one DN, different keys and serials; the profile of the real roots."""
    roots = [JPKI.ca_certificate(AUTHENTICATION, generation) for generation in (1, 2, 3, 4)]
    assert len({root.subject for root in roots}) == 1
    assert len({root.public_key().public_numbers() for root in roots}) == 4
    assert len({root.serial_number for root in roots}) == 4
    text = text_of(roots[2])
    for line in ("Certificate Sign, CRL Sign", "CA:TRUE", "DirName:", "X509v3 Subject Key Identifier"):
        assert line in text
    assert isinstance(roots[3].public_key(), EllipticCurvePublicKey)


def test_serials_are_short_and_unique() -> None:
    """§14.1: three or four bytes, positive, no two alike under one CA name (those that copy one apart)."""
    own = [person for name in personas.names() if not (person := personas.load(name, TODAY)).serial_of]
    for kind in CertificateKind:
        serials = [JPKI.serial_number(person, kind) for person in own]
        assert len(set(serials)) == len(serials)
        assert {(serial.bit_length() + 7) // 8 for serial in serials} == {3, 4}


@pytest.mark.parametrize("kind", CertificateKind)
def test_common_names_hold_the_municipality(kind: CertificateKind) -> None:
    """§14.1: 23 characters with the five digits of the municipality in them."""
    for name in ("adult", "other-town"):
        persona = personas.load(name, TODAY)
        common_name = JPKI.common_name(persona, kind)
        assert len(common_name) == 23
        assert persona.municipality.code[:5] in common_name


def test_a_forged_authority_differs_in_nothing_but_the_signature(tmp_path: Path) -> None:
    """§26: same names, serials and key identifiers as the genuine CA; only the signature tells."""
    leaf, genuine = certificate("forged-ca"), JPKI.ca_certificate(AUTHENTICATION, 3)
    forged = JPKI.ca_certificate(AUTHENTICATION, 3, issuer=Issuer.FORGED)
    assert leaf.issuer == genuine.subject == forged.subject
    identifier = leaf.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    assert identifier == certificate("adult").extensions.get_extension_for_oid(identifier.oid)
    assert not openssl_verifies(tmp_path, leaf, genuine, TODAY)
    assert forged.serial_number == genuine.serial_number


def test_an_unknown_generation_has_its_own_identifiers(tmp_path: Path) -> None:
    """§26: a root of the same name that nobody pinned."""
    leaf = certificate("unknown-generation")
    root = JPKI.ca_certificate(AUTHENTICATION, 3, issuer=Issuer.UNKNOWN)
    assert openssl_verifies(tmp_path, leaf, root, TODAY)
    assert not any(
        openssl_verifies(tmp_path, leaf, JPKI.ca_certificate(AUTHENTICATION, generation), TODAY)
        for generation in (2, 3, 4)
    )


def test_forgeries_that_carry_the_serial_of_another_person() -> None:
    """§26: a self-signed certificate with the adult's serial, and a card whose key is not that of its certificate."""
    adult = certificate("adult")
    forged = certificate("self-signed")
    assert forged.serial_number == adult.serial_number
    assert forged.issuer == forged.subject
    assert certificate("wrong-key") == adult
    own = persona_key(personas.load("wrong-key", TODAY), AUTHENTICATION).public_key()
    assert own.public_numbers() != adult.public_key().public_numbers()  # type: ignore[union-attr]


def test_rare_characters_are_replaced_and_marked() -> None:
    """§14.1: characters outside JIS X 0208 and 0212 and variation selectors give way; a mark per character."""
    assert profile.certificate_text("髙𠮷﨑　葛\U000e0100乃", personas.substitutes()) == ("高吉崎　葛乃", "111010")
    assert profile.certificate_text("丂侄😀", {}) == ("丂侄〓", "001")


@pytest.mark.parametrize(
    ("birth", "coded"),
    [
        (date(1989, 1, 7), "319890107"),
        (date(1989, 1, 8), "419890108"),
        (date(2019, 4, 30), "420190430"),
        (date(2019, 5, 1), "520190501"),
        (date(1912, 7, 29), "119120729"),
        (date(1926, 12, 24), "219261224"),
        (date(1868, 1, 24), "018680124"),
    ],
)
def test_birth_dates_in_certificates_carry_the_era(birth: date, coded: str) -> None:
    """EMU-21: EYYYYMMDD with the Gregorian year, not the YYYYMMDD of the card's own file."""
    assert profile.certificate_birth_date(birth) == coded


def test_sex_is_coded_differently_in_certificates() -> None:
    """EMU-21: 1, 2, 3 in the certificate where the card says 1, 2, 9, 0."""
    codes = {sex: profile.attribute_names(_with_sex(sex), {})[2].value[-1:].decode() for sex in CardSex}
    assert codes == {"1": "1", "2": "2", "9": "3", "0": "3"}


def _with_sex(sex: CardSex) -> personas.CardHolder:
    return replace(personas.load("adult", TODAY).holder, sex=sex)


def test_every_key_of_the_file_is_a_real_key() -> None:
    """The pre-generated keys: RSA-2048 with e = 65537 or P-384, no two alike, and p and q are primes."""
    seen = set()
    for name in keystore.names():
        numbers = keystore.key(name).private_numbers()
        if hasattr(numbers, "p"):
            assert numbers.public_numbers.n.bit_length() == 2048
            assert pow(2, numbers.p - 1, numbers.p) == pow(2, numbers.q - 1, numbers.q) == 1
        seen.add(numbers.public_numbers)
    assert len(seen) == len(keystore.names())


def test_an_unknown_key_says_how_to_make_it() -> None:
    """A missing key is a mistake of ours with its remedy in the message."""
    with pytest.raises(keystore.UnknownKeyError):
        keystore.key("persona/nobody/authentication")
    with pytest.raises(keystore.UnknownKeyError):
        keystore.rsa_key("spare/p384/1")
