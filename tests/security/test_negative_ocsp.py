"""OCSP answers that must not be believed (authentication-hub §6 OCS-*, §7 OCSP rows), all local, with a set clock.

Each refusal is shown twice: as it is, and with its one check switched off, when the same answer is believed.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import core as asn1_core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from mykey_cardap.emulator.jpki.authority import ca_key, ocsp_responder_key
from mykey_cardap.emulator.personas import Issuer
from mykey_cardap.kinds import CertificateKind
from mykey_core.trust.errors import RevocationDataError, RevocationUnavailable
from mykey_core.trust.revocation import ocsp_answer
from mykey_core.trust.revocation.breaker import BreakerSettings, CircuitBreaker
from mykey_core.trust.revocation.fetch import Fetched, Fetcher, FetchError, Limits
from mykey_core.trust.revocation.ocsp_answer import OcspLimits, OcspQuestion, read_answer, responder_url
from mykey_core.trust.revocation.ocsp_source import OcspSettings, OcspSource
from mykey_core.trust.revocation.sources import RevocationUnknown, SourcesExhausted
from mykey_core.trust.types import RevocationState
from mykey_testkit.jpki.client import JpkiService
from mykey_testkit.jpki.faults import Fault
from mykey_testkit.revocation import (
    HOUR,
    KIND,
    MOMENT,
    ca_certificate,
    card,
    make_ocsp,
    responder,
    unsuccessful,
)

HALF_HOUR = timedelta(minutes=30)
NONCE = bytes(range(32))
QUESTION = OcspQuestion(card().certificate, card().issuer.certificate, NONCE)
REQUEST = QUESTION.request()
REVOKED = ocsp.OCSPCertStatus.REVOKED
STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.392.200149.8.5.99"), b"\x05\x00")
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING


def believed(der: bytes, **options: Any) -> ocsp_answer.OcspAnswer:
    """Read an answer at MOMENT with the default limits."""
    defaults: dict[str, Any] = {"now": MOMENT, "limits": OcspLimits()}
    return read_answer(der, QUESTION, **{**defaults, **options})


def twice(tbs: Any) -> None:
    """Put the single answer in a second time."""
    tbs["responses"].append(tbs["responses"][0].copy())


def fractional(tbs: Any) -> None:
    """Give producedAt a fraction of a second, which RFC 5280 4.1.2.5.2 forbids."""
    text = f"{MOMENT:%Y%m%d%H%M%S}.25Z".encode()
    tbs["produced_at"] = asn1_core.GeneralizedTime.load(bytes((0x18, len(text))) + text)


def fractional_this_update(tbs: Any) -> None:
    """The same in thisUpdate."""
    text = f"{MOMENT:%Y%m%d%H%M%S}.5Z".encode()
    tbs["responses"][0]["this_update"] = asn1_core.GeneralizedTime.load(bytes((0x18, len(text))) + text)


def critical_extension(tbs: Any) -> None:
    """An unknown critical extension of the whole answer."""
    tbs["response_extensions"].append({"extn_id": "1.2.392.200149.8.5.99", "critical": True, "extn_value": b"\x05\x00"})


def next_before_this(tbs: Any) -> None:
    """NextUpdate before thisUpdate."""
    tbs["responses"][0]["next_update"] = MOMENT - timedelta(minutes=1)


def usage(*, digital_signature: bool) -> x509.KeyUsage:
    """A key usage of a responder."""
    others = {"content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign"}
    flags = dict.fromkeys(others, False) | {"crl_sign": True, "encipher_only": False, "decipher_only": False}
    return x509.KeyUsage(digital_signature=digital_signature, **flags)


@dataclass(frozen=True)
class Case:
    """An answer, the code of its refusal, and the function that refuses; `then` refuses when that one is off."""

    make: Callable[[], bytes]
    code: str
    guard: str | None = None
    then: str | None = None


def made(**options: Any) -> Callable[[], bytes]:
    """An answer with these options of `make_ocsp`."""
    return lambda: make_ocsp(REQUEST, **options)


def by(**options: Any) -> Callable[[], bytes]:
    """An answer of a responder with these options of `responder`."""
    return lambda: make_ocsp(REQUEST, by=responder(**options))


CASES = {
    "OCS-InvalidBody": Case(lambda: b"<html>", "ocsp_malformed"),
    "OCS-Empty": Case(lambda: b"", "ocsp_malformed"),
    "OCS-InvalidTag": Case(lambda: b"\x31" + make_ocsp(REQUEST)[1:], "ocsp_malformed"),
    "OCS-Truncated": Case(lambda: make_ocsp(REQUEST)[:-9], "ocsp_malformed"),
    "OCS-TrailingBytes": Case(lambda: make_ocsp(REQUEST) + b"\x00", "ocsp_malformed"),
    "OCS-FractionalSeconds-producedAt": Case(made(change=fractional), "ocsp_malformed"),
    "OCS-FractionalSeconds-thisUpdate": Case(made(change=fractional_this_update), "ocsp_malformed"),
    "OCS-Has2CertResponses": Case(made(change=twice), "ocsp_count", "_require_single", "ocsp_malformed"),
    "OCS-Has2ResponderCerts": Case(
        lambda: make_ocsp(REQUEST, certificates=(responder(), ca_certificate())), "ocsp_count", "_require_single"
    ),
    "OCS-InvalidCertificateId": Case(
        made(serial=card().serial_number + 1), "ocsp_certificate_id", "_require_same_certificate"
    ),
    "OCS-InvalidCertificateId-other-issuer": Case(
        lambda: make_ocsp(replace(QUESTION, issuer=ca_certificate(2)).request()),
        "ocsp_certificate_id",
        "_require_same_certificate",
    ),
    "OCS-InvalidCertificateId-other-hash": Case(
        lambda: make_ocsp(replace(QUESTION, sha1_identifier=True).request()),
        "ocsp_certificate_id",
        "_require_same_certificate",
    ),
    "OCS-InvalidSignature": Case(made(flip=True), "ocsp_signature", "_verify_signature"),
    "OCS-SignedByAnotherKey": Case(made(signed_with=ca_key(KIND, 2)), "ocsp_signature", "_verify_signature"),
    "OCS-NoResponderCertificate": Case(made(certificates=()), "ocsp_responder"),
    "OCS-InvalidResponderCert-foreign-ca": Case(by(issuer=Issuer.FORGED), "ocsp_responder", "_require_authorised"),
    "OCS-InvalidResponderCert-other-generation": Case(by(generation=2), "ocsp_responder", "_require_authorised"),
    "OCS-InvalidResponderCert-without-EKU": Case(by(purposes=()), "ocsp_responder_usage", "_require_responder_usage"),
    "OCS-InvalidResponderCert-other-EKU": Case(
        by(purposes=(TIME_STAMPING,)), "ocsp_responder_usage", "_require_responder_usage"
    ),
    "OCS-InvalidResponderCert-key-usage": Case(
        by(more=[(usage(digital_signature=False), True)]), "ocsp_responder_usage", "_require_responder_usage"
    ),
    "OCS-InvalidResponderCert-critical-extension": Case(
        by(more=[(STRANGE, True)]), "ocsp_responder_usage", "_require_responder_usage"
    ),
    "OCS-InvalidResponderCert-expired": Case(
        by(not_after=MOMENT - timedelta(seconds=1)), "ocsp_responder_time", "_require_authorised"
    ),
    "OCS-InvalidResponderCert-not-yet": Case(
        by(not_before=MOMENT + timedelta(seconds=1)), "ocsp_responder_time", "_require_authorised"
    ),
    "OCS-NonceDiffers": Case(made(nonce=b"\x01" * 32), "ocsp_nonce", "_require_nonce"),
    "OCS-NonceMissing": Case(made(nonce=None), "ocsp_nonce", "_require_nonce"),
    "OCS-UnknownCriticalExtension": Case(made(change=critical_extension), "ocsp_extension", "_require_nonce"),
    "OCS-NextUpdateBeforeThisUpdate": Case(made(change=next_before_this), "ocsp_time", "_require_times"),
    "OCS-ThisUpdateHalfHourBeforeNow": Case(made(this_update=MOMENT - HALF_HOUR), "ocsp_time", "_require_times"),
    "OCS-ThisUpdateHalfHourAfterNow": Case(made(this_update=MOMENT + HALF_HOUR), "ocsp_time", "_require_times"),
    "OCS-NextUpdateHalfHourBeforeNow": Case(
        made(this_update=MOMENT - HOUR, next_update=MOMENT - HALF_HOUR), "ocsp_time", "_require_times"
    ),
    "OCS-ProducedAtFromTheFuture": Case(made(produced_at=MOMENT + HALF_HOUR), "ocsp_time", "_require_times"),
    **{
        f"OCS-NotSuccessful-{status.name}": Case(
            lambda status=status: unsuccessful(status), "ocsp_not_successful", "_require_successful", "ocsp_malformed"
        )
        for status in ocsp.OCSPResponseStatus
        if status is not ocsp.OCSPResponseStatus.SUCCESSFUL
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_answer_that_must_not_be_believed_is_refused_and_only_its_check_stops_it(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal has its code; with that one check off the very same answer would be believed."""
    data = case.make()
    with pytest.raises(RevocationDataError) as caught:
        believed(data)
    assert caught.value.code == case.code
    if case.guard is None:
        return
    monkeypatch.setattr(ocsp_answer, case.guard, lambda *_arguments: None)
    if case.then is None:
        assert believed(data).state is RevocationState.GOOD
        return
    with pytest.raises(RevocationDataError) as caught:
        believed(data)
    assert caught.value.code == case.then


def test_any_bit_of_an_answer_that_is_changed_is_noticed() -> None:
    """Whichever byte of an answer is changed: one of our errors, or a change outside everything that counts."""
    whole = make_ocsp(REQUEST)
    believed_anyway = 0
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 0x11
        try:
            believed_anyway += believed(bytes(changed)).state is not RevocationState.GOOD
        except RevocationDataError:
            continue
    assert believed_anyway == 0


def test_valid_answers_of_the_ca_a_named_and_a_designated_responder() -> None:
    """ValidAia, ValidDesignated, and an answer signed by the CA itself are believed."""
    assert believed(make_ocsp(REQUEST)).state is RevocationState.GOOD
    by_ca = make_ocsp(REQUEST, by=ca_certificate(), key=ca_key(KIND, 3), certificates=())
    assert believed(by_ca).state is RevocationState.GOOD
    foreign = responder(issuer=Issuer.FORGED)
    pinned = make_ocsp(REQUEST, by=foreign, certificates=())
    assert believed(pinned, designated=(foreign,)).state is RevocationState.GOOD


def test_a_designated_responder_must_be_fit_and_its_revoked_is_revoked() -> None:
    """RevokedDesignatedOcspFails; and pinning a certificate does not replace its purpose."""
    foreign = responder(issuer=Issuer.FORGED)
    revoked = make_ocsp(REQUEST, by=foreign, status=REVOKED)
    assert believed(revoked, designated=(foreign,)).state is RevocationState.REVOKED
    unfit = responder(issuer=Issuer.FORGED, purposes=(TIME_STAMPING,))
    with pytest.raises(RevocationDataError, match="ocsp_responder_usage"):
        believed(make_ocsp(REQUEST, by=unfit), designated=(unfit,))
    key = ocsp_responder_key(CertificateKind.SIGNATURE)
    other = make_ocsp(REQUEST, by=responder(issuer=Issuer.FORGED, key=key), key=key)
    with pytest.raises(RevocationDataError, match="ocsp_responder"):
        believed(other, designated=(responder(),))


class Recorder(Fetcher):
    """Sends nothing and keeps what would have been sent."""

    def __init__(self) -> None:
        super().__init__(Limits())
        self.bodies: list[bytes] = []

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Fetched:  # noqa: ARG002 - interface
        """Fail, as a network that is down."""
        self.bodies.append(body)
        raise FetchError("http_failed")


def test_every_attempt_has_a_nonce_of_its_own() -> None:
    """32 random bytes in each question, also in the repetition: an answer cannot be kept for the next."""
    recorder = Recorder()
    settings = OcspSettings(url="http://ocsp.example.jp/", attempts=3)
    with pytest.raises(SourcesExhausted):
        OcspSource(settings, fetcher=recorder, breaker=CircuitBreaker(BreakerSettings())).check(card(), MOMENT)
    requests = [ocsp.load_der_ocsp_request(body) for body in recorder.bodies]
    nonces = {request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce for request in requests}
    assert [len(nonce) for nonce in nonces] == [32, 32, 32]


@pytest.mark.parametrize(
    ("status", "reason", "state"),
    [
        (REVOKED, x509.ReasonFlags.key_compromise, RevocationState.REVOKED),
        (REVOKED, x509.ReasonFlags.remove_from_crl, RevocationState.REVOKED),
        (REVOKED, x509.ReasonFlags.certificate_hold, RevocationState.HELD),
        (REVOKED, None, RevocationState.REVOKED),
        (ocsp.OCSPCertStatus.UNKNOWN, None, None),
    ],
)
def test_what_a_believed_answer_means(
    status: ocsp.OCSPCertStatus, reason: x509.ReasonFlags | None, state: RevocationState | None
) -> None:
    """Revoked, held (一時停止) and unknown are three verdicts, none of them good."""
    assert believed(make_ocsp(REQUEST, status=status, reason=reason)).state is state


@pytest.mark.parametrize(
    ("this_update", "next_update"),
    [
        (MOMENT - timedelta(minutes=2), MOMENT + timedelta(minutes=1)),
        (MOMENT + timedelta(minutes=14), MOMENT + timedelta(minutes=20)),
        (MOMENT - timedelta(minutes=1), MOMENT - timedelta(seconds=30)),
        (MOMENT, None),
    ],
    ids=["age-limit", "clock-ahead", "next-within-skew", "no-next"],
)
def test_times_within_skew_and_age_are_accepted(this_update: datetime, next_update: datetime | None) -> None:
    """ThisAndNextUpdateWithinSkew."""
    assert believed(make_ocsp(REQUEST, this_update=this_update, next_update=next_update)).state is RevocationState.GOOD


def test_impossible_limits_are_refused_when_they_are_made() -> None:
    """InvalidSkew, InvalidThisUpdateAge."""
    with pytest.raises(ValueError, match="skew"):
        OcspLimits(skew=timedelta(seconds=-1))
    with pytest.raises(ValueError, match="age"):
        OcspLimits(max_age=timedelta(0))


def ocsp_source(url: str | None, *, attempts: int = 1, seconds: float = 2.0) -> OcspSource:
    """A source against one address."""
    limits = Limits(deadline=timedelta(seconds=seconds), step=timedelta(seconds=seconds), max_bytes=1 << 16)
    breaker = CircuitBreaker(BreakerSettings())
    return OcspSource(OcspSettings(url=url, attempts=attempts), fetcher=Fetcher(limits), breaker=breaker)


def certificate_with(access: list[x509.AccessDescription] | None) -> x509.Certificate:
    """A certificate with this authority information access."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(ocsp_responder_key(KIND).public_key())
    builder = builder.not_valid_before(MOMENT - HOUR).not_valid_after(MOMENT + HOUR)
    if access is not None:
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    return builder.sign(ca_key(KIND, 3), hashes.SHA256())


def access_to(location: x509.GeneralName, *, method: x509.ObjectIdentifier) -> list[x509.AccessDescription]:
    """One entry of an authority information access."""
    return [x509.AccessDescription(method, location)]


OCSP_METHOD, CA_METHOD = AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS
URL = x509.UniformResourceIdentifier("http://ocsp.example.jp/a")


def test_the_responder_is_found_in_the_certificate() -> None:
    """AIA creates: the address in the certificate is used when the settings name none."""
    assert responder_url(certificate_with(access_to(URL, method=OCSP_METHOD))) == "http://ocsp.example.jp/a"


@pytest.mark.parametrize(
    "access",
    [
        None,
        access_to(URL, method=CA_METHOD),
        access_to(x509.DNSName("ocsp.example.jp"), method=OCSP_METHOD),
        access_to(x509.UniformResourceIdentifier("ldap://ocsp.example.jp"), method=OCSP_METHOD),
        access_to(x509.UniformResourceIdentifier("http://user@ocsp.example.jp"), method=OCSP_METHOD),
        access_to(x509.UniformResourceIdentifier("http://[broken"), method=OCSP_METHOD),
        access_to(x509.UniformResourceIdentifier("file:///etc/passwd"), method=OCSP_METHOD),
    ],
    ids=["no-extension", "not-OCSP", "not-a-URL", "other-scheme", "user-part", "broken", "file"],
)
def test_ocsp_address_that_cannot_be_used(access: list[x509.AccessDescription] | None) -> None:
    """OCSP address: extension null, invalid, not AIA: refused before anybody is asked."""
    certificate = replace(card(), certificate=certificate_with(access))
    with pytest.raises(RevocationUnavailable, match="ocsp_no_url"):
        ocsp_source(None).check(certificate, MOMENT)


@pytest.mark.parametrize(
    ("persona", "state"),
    [
        ("adult", RevocationState.GOOD),
        ("held", RevocationState.HELD),
        ("revoked", RevocationState.REVOKED),
    ],
)
def test_a_real_responder_is_asked(jpki_service: JpkiService, persona: str, state: RevocationState) -> None:
    """The source over HTTP, against the test JPKI's process."""
    assert ocsp_source(jpki_service.ocsp_url(KIND)).check(card(persona), MOMENT).state is state


WIRE_FAULTS = {
    Fault.OCSP_TRY_LATER: "ocsp_not_successful",
    Fault.OCSP_INTERNAL_ERROR: "ocsp_not_successful",
    Fault.OCSP_UNAUTHORIZED: "ocsp_not_successful",
    Fault.OCSP_MALFORMED_REQUEST: "ocsp_not_successful",
    Fault.OCSP_SIG_REQUIRED: "ocsp_not_successful",
    Fault.OCSP_WRONG_NONCE: "ocsp_nonce",
    Fault.OCSP_NO_NONCE: "ocsp_nonce",
    Fault.OCSP_FRACTIONAL_SECONDS: "ocsp_malformed",
    Fault.OCSP_OLD: "ocsp_time",
    Fault.OCSP_FROM_THE_FUTURE: "ocsp_time",
    Fault.OCSP_NEXT_BEFORE_THIS: "ocsp_time",
    Fault.OCSP_OTHER_CERTIFICATE: "ocsp_certificate_id",
    Fault.OCSP_TWO_RESPONSES: "ocsp_count",
    Fault.OCSP_BAD_SIGNATURE: "ocsp_signature",
    Fault.OCSP_FOREIGN_RESPONDER: "ocsp_responder",
    Fault.OCSP_RESPONDER_WITHOUT_USAGE: "ocsp_responder_usage",
    Fault.OCSP_RESPONDER_EXPIRED: "ocsp_responder_time",
    Fault.HTTP_404: "http_status",
    Fault.HTTP_500: "http_status",
    Fault.HTTP_HTML: "ocsp_malformed",
    Fault.HTTP_REDIRECT: "http_status",
    Fault.HTTP_CUT: "http_failed",
    Fault.HTTP_ENDLESS: "http_too_large",
    Fault.HTTP_GZIP_BOMB: "http_too_large",
}


@pytest.mark.parametrize(("fault", "code"), WIRE_FAULTS.items(), ids=[fault.value for fault in WIRE_FAULTS])
def test_a_responder_that_lies_or_fails_is_no_good_answer(jpki_service: JpkiService, fault: Fault, code: str) -> None:
    """Every fault of the wire ends as a refusal that names it (botan #5804, codice/ddf #5294)."""
    jpki_service.break_with("ocsp", fault)
    with pytest.raises(SourcesExhausted) as caught:
        ocsp_source(jpki_service.ocsp_url(KIND)).check(card(), MOMENT)
    assert [attempt.code for attempt in caught.value.attempts] == [code]


def test_unknown_is_a_refusal_of_its_own(jpki_service: JpkiService) -> None:
    """OCSP unknown = deny (§12), and it is told apart from a responder that is down."""
    jpki_service.break_with("ocsp", Fault.OCSP_UNKNOWN)
    with pytest.raises(RevocationUnknown):
        ocsp_source(jpki_service.ocsp_url(KIND)).check(card(), MOMENT)


@pytest.mark.parametrize("fault", [Fault.HTTP_SLOW, Fault.HTTP_BYTEWISE])
def test_a_slow_responder_costs_no_more_than_the_deadline(jpki_service: JpkiService, fault: Fault) -> None:
    """Neither silence nor an answer byte by byte holds a tap beyond the whole deadline."""
    jpki_service.break_with("ocsp", fault, seconds=0.2 if fault is Fault.HTTP_BYTEWISE else 3)
    begin = time.monotonic()
    with pytest.raises(SourcesExhausted) as caught:
        ocsp_source(jpki_service.ocsp_url(KIND), seconds=0.6).check(card(), MOMENT)
    assert [attempt.code for attempt in caught.value.attempts] == ["http_timeout"]
    assert time.monotonic() - begin < 20


def test_openssl_answers_and_we_believe_it(tmp_path: Path) -> None:
    """A second opinion: an answer made by `openssl ocsp` from an index file is believed, good and revoked."""
    files = {name: tmp_path / name for name in ("ca.pem", "key.pem", "rq.der", "rs.der", "index.txt")}
    files["ca.pem"].write_bytes(ca_certificate().public_bytes(Encoding.PEM))
    key = ca_key(KIND, 3).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files["key.pem"].write_bytes(key)
    files["rq.der"].write_bytes(REQUEST)
    for line, state in (("V\t361231000000Z\t\t", RevocationState.GOOD), ("R\t361231000000Z\t200101000000Z,superseded\t",
                                                                         RevocationState.REVOKED)):  # fmt: skip
        serial = f"{card().serial_number:X}"
        files["index.txt"].write_text(f"{line}{serial.zfill(len(serial) + len(serial) % 2)}\tunknown\t/CN=x\n")
        command = ["openssl", "ocsp", "-index", files["index.txt"], "-CA", files["ca.pem"], "-rsigner", files["ca.pem"]]
        command += ["-rkey", files["key.pem"], "-reqin", files["rq.der"], "-respout", files["rs.der"], "-nmin", "5"]
        subprocess.run(command, check=True, capture_output=True, timeout=20)
        answer = files["rs.der"].read_bytes()
        now = ocsp.load_der_ocsp_response(answer).this_update_utc
        assert believed(answer, now=now).state is state
