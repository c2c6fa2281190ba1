"""`mykey auth verify-batch`: each line judged on its own by the hub's verifier, only nonces remembered."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import NameOID

from mykey_cardap.emulator.jpki.authority import EmulatedJpki, persona_key
from mykey_cardap.kinds import CertificateKind
from mykey_core.authentication.batch import BatchVerifier
from mykey_core.authentication.cli import auth
from mykey_core.authentication.nonce import new_nonce

NOW = datetime(2026, 11, 1, 3, tzinfo=UTC)
ORIGIN = "https://hub.city.example.jp"
KIND = CertificateKind.AUTHENTICATION
JPKI = EmulatedJpki(date(2026, 11, 1))
POINT = JPKI.distribution_point("132217")
OTHER_POINT = JPKI.distribution_point("102016")
DAY = timedelta(days=1)


def pem(certificate: x509.Certificate) -> str:
    """The text of a certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def crl(*, serials: tuple[int, ...] | None = None, number: int = 7, **changes: Any) -> str:
    """A CRL of the demo town in base64; `serials` overrides what is revoked."""
    revoked = JPKI.revoked_serials(KIND, 3, "132217")
    if serials is not None:
        revoked = [type(revoked[0])(serial, NOW - DAY, x509.ReasonFlags.superseded) for serial in serials]
    options = {"this_update": NOW - DAY / 2, "next_update": NOW + DAY / 2, "distribution_point": POINT} | changes
    point = options.pop("distribution_point")
    return base64.b64encode(JPKI.crl(KIND, 3, point, revoked=revoked, number=number, **options)).decode()


def token(persona: str = "adult", *, nonce: str, origin: str = ORIGIN, kind: CertificateKind = KIND) -> str:
    """What the card of a persona signs."""
    person = JPKI.persona(persona)
    key = persona_key(person, kind)
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES384"
    digest = hashlib.sha256 if algorithm == "RS256" else hashlib.sha384
    message = digest(origin.encode()).digest() + digest(nonce.encode()).digest()
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    else:
        numbers = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA384())))
        signature = b"".join(number.to_bytes(48) for number in numbers)
    der = JPKI.certificate(person, kind).public_bytes(serialization.Encoding.DER)
    return json.dumps(
        {
            "unverifiedCertificate": base64.b64encode(der).decode(),
            "algorithm": algorithm,
            "signature": base64.b64encode(signature).decode(),
            "format": "web-eid:1.0",
        }
    )


def line(persona: str = "adult", **changes: Any) -> dict[str, Any]:
    """A line that is accepted, unless `persona` or `changes` say otherwise."""
    nonce = changes.get("nonce") or new_nonce()
    origin = changes.get("origin", ORIGIN)
    good = {
        "id": "a",
        "token": token(persona, nonce=nonce, origin=origin if isinstance(origin, str) else ORIGIN),
        "origin": ORIGIN,
        "nonce": nonce,
        "nonce_issued_at": "2026-11-01T02:58:00Z",
        "now": "2026-11-01T03:00:00Z",
        "ca_pem": [pem(JPKI.ca_certificate(KIND, generation)) for generation in (1, 2, 3, 4)],
        "crl_der_b64": [crl()],
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def answer(members: Any, verifier: BatchVerifier | None = None) -> tuple[bool, str]:
    """Verdict and reason of one line."""
    raw = members if isinstance(members, bytes) else json.dumps(members).encode()
    found = (verifier or BatchVerifier()).answer(raw)
    return found.accepted, found.reason


def test_a_good_line_is_accepted() -> None:
    """The line on which the others are built."""
    assert answer(line()) == (True, "accepted")


# (persona, reason) with the trust and the CRL of the town as they are
PERSONAS = [
    ("revoked", "certificate_revoked"),
    ("held", "certificate_held"),
    ("expired", "certificate_expired"),
    ("forged-ca", "issuer_signature_invalid"),
    ("other-town", "revocation_unavailable"),
    ("generation-1", "issuer_expired"),
]


@pytest.mark.parametrize(("persona", "reason"), PERSONAS)
def test_cards_that_are_refused(persona: str, reason: str) -> None:
    """Each synthetic card is refused for what is wrong with it."""
    assert answer(line(persona)) == (False, reason)


def test_signing_certificate_is_refused() -> None:
    """The signing certificate where the authentication certificate is expected, with its own CA pinned as well."""
    nonce = new_nonce()
    signing = token(nonce=nonce, kind=CertificateKind.SIGNATURE)
    pinned = [pem(JPKI.ca_certificate(kind, 3)) for kind in CertificateKind]
    assert answer(line(nonce=nonce, token=signing, ca_pem=pinned)) == (False, "certificate_other_kind")


def test_p384_card_and_ca() -> None:
    """The next generation: P-384 on both sides, and its own CRL."""
    options = {"revoked": [], "this_update": NOW - DAY, "next_update": NOW + DAY, "number": 1}
    next_crl = JPKI.crl(KIND, 4, POINT, **options)
    found = answer(line("next-generation", crl_der_b64=[base64.b64encode(next_crl).decode()]))
    assert found == (True, "accepted")


ADULT = JPKI.serial_number(JPKI.persona("adult"), KIND)
SOON, LATE = NOW + DAY, NOW + 2 * DAY

# (what the CRLs of the line are, reason; None when accepted)
CRLS: list[tuple[str, list[str], str | None]] = [
    ("None", [], "revocation_unavailable"),
    ("Empty", [crl(serials=())], None),
    ("RevokesThisOne", [crl(serials=(ADULT,))], "certificate_revoked"),
    ("Stale", [crl(this_update=NOW - 2 * DAY, next_update=NOW)], "revocation_unavailable"),
    ("FromTheFuture", [crl(this_update=SOON, next_update=LATE)], "revocation_unavailable"),
    ("OtherTown", [crl(distribution_point=OTHER_POINT)], "revocation_unavailable"),
    ("NoBase64", ["***"], "revocation_unavailable"),
    ("NoCrl", ["AAAA"], "revocation_unavailable"),
    ("RubbishBesideGood", ["AAAA", crl(), "***"], None),
    ("FutureBesideGood", [crl(this_update=SOON, next_update=LATE), crl()], None),
    ("StaleBesideGood", [crl(this_update=NOW - 2 * DAY, next_update=NOW), crl()], None),
    ("OtherTownBesideGood", [crl(distribution_point=OTHER_POINT), crl()], None),
    ("OlderSaysRevoked", [crl(number=6, serials=(ADULT,), this_update=NOW - DAY), crl()], "certificate_revoked"),
    ("NewerSaysRevoked", [crl(number=6, this_update=NOW - DAY), crl(serials=(ADULT,))], "certificate_revoked"),
    ("NumberGoesBack", [crl(), crl(number=3, serials=(ADULT,), this_update=NOW)], "certificate_revoked"),
    ("SameTwice", [crl(), crl()], None),
]


@pytest.mark.parametrize(("crls", "reason"), [row[1:] for row in CRLS], ids=[row[0] for row in CRLS])
def test_crls_of_the_line(crls: list[str], reason: str | None) -> None:
    """At least one usable CRL in scope, and 'revoked' in any of them wins (V13)."""
    assert answer(line(crl_der_b64=crls)) == (reason is None, reason or "accepted")


def _plain_crl(key: Any, name: x509.Name, **changes: Any) -> str:
    builder = x509.CertificateRevocationListBuilder().issuer_name(name)
    builder = builder.last_update(NOW - DAY).next_update(NOW + DAY)
    for extension, critical in changes.get("more", ()):
        builder = builder.add_extension(extension, critical)
    return base64.b64encode(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)).decode()


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_any_ca_of_the_line_may_issue(curve: ec.EllipticCurve) -> None:
    """A judge's own CA: other names, curves, no key identifiers, no distribution point, a CRL for everything."""
    key, card_key = ec.derive_private_key(11, curve), ec.derive_private_key(12, curve)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Any CA at all")])
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    ) | {"decipher_only": False}
    builder = x509.CertificateBuilder().issuer_name(name).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    ca_usage = x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **usage)
    authority = (
        builder.subject_name(name)
        .serial_number(1)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(ca_usage, True)
        .sign(key, hashes.SHA256())
    )
    card_usage = x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **usage)
    policy = x509.PolicyInformation(x509.ObjectIdentifier("1.2.392.200149.8.5.1.3.30"), None)
    card = (
        builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "card")]))
        .serial_number(99)
        .public_key(card_key.public_key())
        .add_extension(card_usage, True)
        .add_extension(x509.CertificatePolicies([policy]), True)
        .sign(key, hashes.SHA256())
    )
    nonce, bits = new_nonce(), {256: 256, 384: 384, 521: 512}[curve.key_size]
    digest = {256: hashlib.sha256, 384: hashlib.sha384, 512: hashlib.sha512}[bits]
    message = digest(ORIGIN.encode()).digest() + digest(nonce.encode()).digest()
    algorithm = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}[bits]
    numbers = utils.decode_dss_signature(card_key.sign(message, ec.ECDSA(algorithm)))
    signature = b"".join(number.to_bytes((curve.key_size + 7) // 8) for number in numbers)
    members = {
        "unverifiedCertificate": base64.b64encode(card.public_bytes(serialization.Encoding.DER)).decode(),
        "algorithm": f"ES{bits}",
        "signature": base64.b64encode(signature).decode(),
        "format": "web-eid:1",
    }
    good = line(nonce=nonce, token=json.dumps(members), ca_pem=[pem(authority)], crl_der_b64=[_plain_crl(key, name)])
    assert answer(good) == (True, "accepted")
    forged = ec.derive_private_key(13, curve)
    other = line(nonce=new_nonce(), token=json.dumps(members), ca_pem=[pem(authority)])
    assert answer(other | {"crl_der_b64": [_plain_crl(key, name)]}) == (False, "signature_invalid")
    assert answer(good | {"crl_der_b64": [_plain_crl(forged, name)]}) == (False, "revocation_unavailable")


ORIGINS = [
    ("https://hub.city.example.jp:8443", None),
    ("http://127.0.0.1:8765", None),
    ("http://localhost:8765", None),
    ("http://hub.city.example.jp", "origin_refused"),
    ("https://hub.city.example.jp/", "origin_refused"),
    ("https://HUB.city.example.jp", "origin_refused"),
    ("https://hub.city.example.jp:443", "origin_refused"),
    ("https://ハブ.example.jp", "origin_refused"),
    ("", "origin_refused"),
]


@pytest.mark.parametrize(("origin", "reason"), ORIGINS)
def test_origins_of_the_line(origin: str, reason: str | None) -> None:
    """A rightly signed token for an origin that start-up would refuse is refused; the others are accepted."""
    assert answer(line(origin=origin)) == (reason is None, reason or "accepted")


def test_nonce_is_good_once_in_the_stream() -> None:
    """The second appearance is a replay, whatever `nonce_issued_at` says the second time."""
    verifier, good = BatchVerifier(), line()
    assert answer(good, verifier) == (True, "accepted")
    assert answer(good, verifier) == (False, "nonce_used")
    assert answer(good | {"nonce_issued_at": good["now"]}, verifier) == (False, "nonce_used")
    assert answer(line(), verifier) == (True, "accepted")


@pytest.mark.parametrize(
    "spoil",
    [
        {"token": "{}"},
        {"origin": "http://evil.example"},
        {"ca_pem": []},
        {"ca_pem": ["nothing"]},
        {"crl_der_b64": []},
        {"token": None},
        {"now": "yesterday"},
        {"now": "2026-11-01T04:00:00Z"},
        {"nonce_issued_at": "yesterday"},
        {"origin": 1},
        {"crl_der_b64": "AAAA"},
    ],
)
def test_failed_attempt_uses_the_nonce_up(spoil: dict[str, Any]) -> None:
    """A line that fails for any reason, malformed ones included, leaves no nonce for a second try."""
    verifier, good = BatchVerifier(), line()
    accepted, _ = answer(good | spoil, verifier)
    assert not accepted
    assert answer(good, verifier) == (False, "nonce_used")


NONCES = [
    ({"nonce": None, "nonce_issued_at": None}, "nonce_missing"),
    ({"nonce": ""}, "nonce_missing"),
    ({"now": "2026-11-01T03:03:00Z"}, None),
    ({"now": "2026-11-01T03:03:00.001Z"}, "nonce_expired"),
    ({"now": "2026-11-01T12:01:00+09:00"}, None),
    ({"now": "2026-11-01T02:57:59Z"}, "nonce_from_the_future"),
    ({"nonce_issued_at": "2026-11-01T11:58:30.5+09:00"}, None),
    ({"nonce_issued_at": None}, "line_malformed"),
    ({"nonce_issued_at": ...}, "line_malformed"),
]


@pytest.mark.parametrize(("changes", "reason"), NONCES)
def test_nonce_and_clock_of_the_line(changes: dict[str, Any], reason: str | None) -> None:
    """NON-03, NON-04 with the injected clock."""
    assert answer(line(**changes)) == (reason is None, reason or "accepted")


def test_short_nonce() -> None:
    """NON-02: 43 characters, signed and issued, are refused all the same."""
    assert answer(line(nonce="A" * 43)) == (False, "nonce_too_short")


MALFORMED: list[tuple[bytes, Any]] = [
    (b"", None),
    (b"nothing", None),
    (b"[]", None),
    (b"null", None),
    (b'{"id": 1', None),
    (b'{"id": 1}', 1),
    (b'{"id": "x", "now": "2026-11-01T03:00:00Z"}', "x"),
    (b'{"id": "x", "id": "y"}', None),
    (b'{"id": {"a": [1]}, "nonce": 5}', {"a": [1]}),
    (b'{"id": 1e999}', None),
    (b'{"id": "\\ud800", "nonce": "\\ud800", "origin": "\\ud800"}', "\ud800"),
    (b"\xff\xfe", None),
    (b"\xef\xbb\xbf{}", None),
    (b"[" * 100_000, None),
    (b"9" * 10_000, None),
    (b"\x00" * 10, None),
]


@pytest.mark.parametrize(("raw", "identifier"), MALFORMED)
def test_malformed_line(raw: bytes, identifier: Any) -> None:
    """A malformed line is answered with its id where that can be read, and never ends the stream."""
    found = BatchVerifier().answer(raw)
    assert json.loads(found.to_json()) == {"id": identifier, "accepted": False, "reason": "line_malformed"}


@pytest.mark.parametrize(
    "when",
    [
        "2026-11-01",
        "2026-11-01T03:00:00",
        "20261101T030000Z",
        "2026-13-01T03:00:00Z",
        "0001-01-01T00:00:00+14:00",
        1,
        "",
    ],
)
def test_instants_are_rfc_3339(when: Any) -> None:
    """Other spellings, and instants without an offset, are malformed."""
    assert answer(line(now=when)) == (False, "line_malformed")


@pytest.mark.parametrize("given", [None, 5, {}, ["x"], "", "\ud800" * 200, "x" * 200])
def test_token_of_any_kind(given: Any) -> None:
    """`token` is whatever was posted; what is no text is refused as a token, not as a line."""
    accepted, reason = answer(line(token=given))
    assert not accepted
    assert reason.startswith("token_")


def test_command_answers_each_line_at_once() -> None:
    """As a process: each line is answered before the next is written, bad ones too."""
    command = [sys.executable, "-m", "mykey_core", "auth", "verify-batch"]
    good = line()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answers = []
        for sent in (good, good, "nonsense", line("revoked", id=3)):
            process.stdin.write((sent if isinstance(sent, str) else json.dumps(sent)) + "\n")
            process.stdin.flush()
            answers.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(20) == 0
    assert answers == [
        {"id": "a", "accepted": True, "reason": "accepted"},
        {"id": "a", "accepted": False, "reason": "nonce_used"},
        {"id": None, "accepted": False, "reason": "line_malformed"},
        {"id": 3, "accepted": False, "reason": "certificate_revoked"},
    ]


def test_command_lists_the_reasons() -> None:
    """`mykey auth reasons` prints each code once."""
    printed = CliRunner().invoke(auth, ["reasons"]).output.split()
    assert len(printed) == len(set(printed)) > 50
    assert "certificate_held" in printed
