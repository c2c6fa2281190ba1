"""The test JPKI's CRL and OCSP service, as a real process, judged by OpenSSL and by `cryptography`."""

from __future__ import annotations

import subprocess
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.kinds import CertificateKind
from mykey_testkit.jpki.book import Partition
from mykey_testkit.jpki.client import JpkiService
from mykey_testkit.jpki.faults import Fault
from mykey_testkit.jpki.fixtures import JPKI_MOMENT

AUTHENTICATION = CertificateKind.AUTHENTICATION
HOME = Partition(AUTHENTICATION, 3, "132217")
JPKI = EmulatedJpki(JPKI_MOMENT.date())
CA = JPKI.ca_certificate(AUTHENTICATION, 3)


def certificate(name: str, kind: CertificateKind = AUTHENTICATION) -> x509.Certificate:
    """The certificate of a persona."""
    return JPKI.certificate(JPKI.persona(name), kind)


def get(url: str, **headers: str) -> httpx.Response:
    """GET without proxies of the environment."""
    with httpx.Client(trust_env=False, headers=headers, timeout=5) as client:
        return client.get(url)


def ask(service: JpkiService, name: str, kind: CertificateKind = AUTHENTICATION, generation: int = 3) -> bytes:
    """Post an OCSP request with a nonce about a persona's certificate."""
    request = (
        ocsp.OCSPRequestBuilder()
        .add_certificate(certificate(name, kind), JPKI.ca_certificate(kind, generation), hashes.SHA256())
        .add_extension(x509.OCSPNonce(b"n" * 32), critical=False)
        .build()
    )
    with httpx.Client(trust_env=False, timeout=5) as client:
        return client.post(service.ocsp_url(kind), content=request.public_bytes(Encoding.DER)).content


def openssl_ocsp(service: JpkiService, folder: Path, name: str, kind: CertificateKind, generation: int) -> str:
    """What `openssl ocsp` says, verifying the responder against the CA alone."""
    ca, leaf = folder / "ca.pem", folder / "leaf.pem"
    ca.write_bytes(JPKI.ca_certificate(kind, generation).public_bytes(Encoding.PEM))
    leaf.write_bytes(certificate(name, kind).public_bytes(Encoding.PEM))
    command = ["openssl", "ocsp", "-issuer", ca, "-CAfile", ca, "-cert", leaf, "-url", service.ocsp_url(kind)]
    command += ["-attime", str(int(JPKI_MOMENT.timestamp())), "-validity_period", "999999999"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "kind", "generation", "says"),
    [
        ("adult", CertificateKind.AUTHENTICATION, 3, "good"),
        ("adult", CertificateKind.SIGNATURE, 3, "good"),
        ("next-generation", CertificateKind.AUTHENTICATION, 4, "good"),
        ("renewed", CertificateKind.AUTHENTICATION, 3, "good"),
        ("superseded", CertificateKind.AUTHENTICATION, 2, "superseded"),
        ("held", CertificateKind.AUTHENTICATION, 3, "certificateHold"),
        ("revoked", CertificateKind.AUTHENTICATION, 3, "keyCompromise"),
        ("ended", CertificateKind.AUTHENTICATION, 3, "cessationOfOperation"),
        ("moved", CertificateKind.SIGNATURE, 3, "affiliationChanged"),
        ("moved", CertificateKind.AUTHENTICATION, 3, "good"),
    ],
)
def test_openssl_accepts_the_responder_and_reads_each_life_event(
    jpki_service: JpkiService, tmp_path: Path, name: str, kind: CertificateKind, generation: int, says: str
) -> None:
    """The delegated responder is accepted by OpenSSL, and each persona's state is told with its reason."""
    answer = openssl_ocsp(jpki_service, tmp_path, name, kind, generation)
    assert "Response verify OK" in answer
    assert says in answer


def test_a_serial_that_the_ca_never_issued_is_unknown(jpki_service: JpkiService) -> None:
    """OCSP says `unknown` for a forged certificate's serial; RFC 6960 2.2."""
    answer = ocsp.load_der_ocsp_response(ask(jpki_service, "unknown-generation"))
    assert answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


def test_a_ca_that_is_not_ours_is_unauthorized(jpki_service: JpkiService) -> None:
    """A request about a signature certificate, posted to the authentication responder, gets no answer."""
    request = ocsp.OCSPRequestBuilder().add_certificate(
        certificate("adult", CertificateKind.SIGNATURE),
        JPKI.ca_certificate(CertificateKind.SIGNATURE, 3),
        hashes.SHA256(),
    )
    with httpx.Client(trust_env=False) as client:
        body = request.build().public_bytes(Encoding.DER)
        answer = client.post(jpki_service.ocsp_url(AUTHENTICATION), content=body).content
    assert ocsp.load_der_ocsp_response(answer).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED


def test_ocsp_times_are_whole_seconds_of_the_injected_clock(jpki_service: JpkiService) -> None:
    """ProducedAt and thisUpdate follow the clock of the service, not the machine's."""
    jpki_service.set_clock(JPKI_MOMENT.replace(microsecond=123456))
    answer = ocsp.load_der_ocsp_response(ask(jpki_service, "adult"))
    assert answer.produced_at_utc == answer.this_update_utc == JPKI_MOMENT
    assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * 32


def crl(service: JpkiService, partition: Partition, *, delta: bool = False) -> x509.CertificateRevocationList:
    """The CRL that the service gives."""
    return x509.load_der_x509_crl(get(service.crl_url(partition, delta=delta)).content)


def test_the_crl_of_a_town_is_signed_and_lists_its_revoked(jpki_service: JpkiService) -> None:
    """Signature, distribution point, and the held, revoked and ended certificates with their reasons."""
    found = crl(jpki_service, HOME)
    assert found.is_signature_valid(CA.public_key())  # type: ignore[arg-type]
    reasons = {
        entry.serial_number: entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
        for entry in found
    }
    assert reasons == {
        certificate("held").serial_number: "certificateHold",
        certificate("revoked").serial_number: "keyCompromise",
        certificate("ended").serial_number: "cessationOfOperation",
    }
    other = crl(jpki_service, Partition(AUTHENTICATION, 3, "102016"))
    assert len(list(other)) == 0


def test_openssl_verifies_a_card_against_the_crl(jpki_service: JpkiService, tmp_path: Path) -> None:
    """`openssl verify` with the CRL accepts the adult and refuses the revoked."""
    (tmp_path / "ca.pem").write_bytes(CA.public_bytes(Encoding.PEM))
    (tmp_path / "crl.pem").write_bytes(crl(jpki_service, HOME).public_bytes(Encoding.PEM))
    outcome = {}
    for name in ("adult", "revoked"):
        (tmp_path / "leaf.pem").write_bytes(certificate(name).public_bytes(Encoding.PEM))
        # -policy_check would not matter here; the time is the service's.
        command = ["openssl", "verify", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "-crl_check", "-extended_crl"]
        command += ["-attime", str(int(JPKI_MOMENT.timestamp())), "leaf.pem"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=20)
        outcome[name] = done.stdout + done.stderr
    assert "leaf.pem: OK" in outcome["adult"]
    assert "certificate revoked" in outcome["revoked"]


@pytest.mark.parametrize("header", ["etag", "last-modified"])
def test_an_unchanged_crl_is_not_sent_twice(jpki_service: JpkiService, header: str) -> None:
    """Conditional requests of RFC 9110: 304 without a body while the CRL is the same, 200 on the next day."""
    url = jpki_service.crl_url(HOME)
    condition = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}[header]
    value = get(url).headers[header]
    again = get(url, **{condition: value})
    assert (again.status_code, again.content) == (304, b"")
    jpki_service.set_clock(JPKI_MOMENT + timedelta(days=1))
    assert get(url, **{condition: value}).status_code == 200


def test_a_revocation_is_in_the_delta_at_once_and_in_the_full_crl_the_next_day(
    jpki_service: JpkiService,
) -> None:
    """A quarter of an hour for the delta, midnight in Japan for the full CRL; numbers only grow."""
    partition = Partition(AUTHENTICATION, 3, "102016")
    serial = 0x5EED01
    jpki_service.revoke(partition, serial, "certificateHold", at=JPKI_MOMENT)
    before = crl(jpki_service, partition)
    jpki_service.set_clock(JPKI_MOMENT + timedelta(minutes=15))
    delta = crl(jpki_service, partition, delta=True)
    base = delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
    assert base == before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    assert delta.is_signature_valid(CA.public_key())  # type: ignore[arg-type]
    assert serial not in {entry.serial_number for entry in before}
    assert serial in {entry.serial_number for entry in delta}
    jpki_service.set_clock(JPKI_MOMENT + timedelta(days=1))
    after = crl(jpki_service, partition)
    assert serial in {entry.serial_number for entry in after}
    assert after.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number > base


def _full(service: JpkiService) -> bytes:
    return get(service.crl_url(HOME)).content


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault.part == "crl"])
def test_each_crl_fault_is_what_it_says(jpki_service: JpkiService, fault: Fault) -> None:
    """Every broken CRL differs from the sound one in the thing that it is named after."""
    sound = x509.load_der_x509_crl(_full(jpki_service))
    jpki_service.break_with("crl", fault)
    der = _full(jpki_service)
    if fault is Fault.CRL_TRUNCATED:
        with pytest.raises(ValueError, match="parsing"):
            x509.load_der_x509_crl(der)
        return
    broken = x509.load_der_x509_crl(der)
    point = broken.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    number = broken.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    shows = {
        Fault.CRL_STALE: broken.next_update_utc is not None and broken.next_update_utc < JPKI_MOMENT,
        Fault.CRL_FROM_TOMORROW: broken.last_update_utc > JPKI_MOMENT,
        Fault.CRL_ROLLBACK: number < sound.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number,
        Fault.CRL_OTHER_TOWN: b"Maebashi" in der,
        Fault.CRL_FORGED: not broken.is_signature_valid(CA.public_key()),  # type: ignore[arg-type]
        Fault.CRL_NO_NEXT_UPDATE: broken.next_update_utc is None,
        Fault.CRL_UNKNOWN_CRITICAL: any(
            isinstance(extension.value, x509.UnrecognizedExtension) and extension.critical
            for extension in broken.extensions
        ),
        Fault.CRL_INDIRECT: point.indirect_crl,
        Fault.CRL_ONLY_SOME_REASONS: point.only_some_reasons is not None,
        Fault.CRL_ONLY_CA_CERTIFICATES: point.only_contains_ca_certs,
        Fault.CRL_EMPTY: len(broken) == 0,
        Fault.CRL_UNSORTED: [entry.serial_number for entry in broken]
        == sorted((entry.serial_number for entry in sound), reverse=True),
    }
    assert shows[fault]
    if fault is not Fault.CRL_FORGED:
        assert broken.is_signature_valid(CA.public_key())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "openssl_says"),
    [
        (Fault.OCSP_TRY_LATER, "trylater"),
        (Fault.OCSP_INTERNAL_ERROR, "internalerror"),
        (Fault.OCSP_UNAUTHORIZED, "unauthorized"),
        (Fault.OCSP_MALFORMED_REQUEST, "malformedrequest"),
        (Fault.OCSP_SIG_REQUIRED, "sigrequired"),
        (Fault.OCSP_WRONG_NONCE, "Nonce Verify error"),
        (Fault.OCSP_NO_NONCE, "no nonce in response"),
        (Fault.OCSP_NEXT_BEFORE_THIS, "Status times invalid"),
        (Fault.OCSP_OTHER_CERTIFICATE, "No Status found"),
        (Fault.OCSP_UNKNOWN, "leaf.pem: unknown"),
        (Fault.OCSP_BAD_SIGNATURE, "Response Verify Failure"),
        (Fault.OCSP_FOREIGN_RESPONDER, "Response Verify Failure"),
        (Fault.OCSP_RESPONDER_WITHOUT_USAGE, "missing ocspsigning usage"),
        (Fault.OCSP_RESPONDER_EXPIRED, "Response Verify Failure"),
    ],
)
def test_openssl_notices_each_ocsp_fault(
    jpki_service: JpkiService, tmp_path: Path, fault: Fault, openssl_says: str
) -> None:
    """An independent client sees the fault under the name that it goes by."""
    jpki_service.break_with("ocsp", fault)
    assert openssl_says in openssl_ocsp(jpki_service, tmp_path, "adult", AUTHENTICATION, 3)


def test_the_ocsp_faults_that_openssl_overlooks(jpki_service: JpkiService) -> None:
    """Fractions of seconds, two answers in one, and old or future times: what our own client must notice."""
    jpki_service.break_with("ocsp", Fault.OCSP_FRACTIONAL_SECONDS)
    with pytest.raises(ValueError, match="produced_at"):
        ocsp.load_der_ocsp_response(ask(jpki_service, "adult"))
    jpki_service.break_with("ocsp", Fault.OCSP_TWO_RESPONSES)
    basic = asn1_ocsp.OCSPResponse.load(ask(jpki_service, "adult")).basic_ocsp_response
    assert len(basic["tbs_response_data"]["responses"]) == 2
    jpki_service.break_with("ocsp", Fault.OCSP_OLD)
    old = ocsp.load_der_ocsp_response(ask(jpki_service, "adult"))
    assert old.next_update_utc is not None
    assert old.next_update_utc < JPKI_MOMENT
    jpki_service.break_with("ocsp", Fault.OCSP_FROM_THE_FUTURE)
    assert ocsp.load_der_ocsp_response(ask(jpki_service, "adult")).this_update_utc > JPKI_MOMENT


def test_transport_faults_break_the_transport(jpki_service: JpkiService) -> None:
    """A client with a time-out and a limit meets each of them; afterwards the service is sound again."""
    url = jpki_service.crl_url(HOME)
    jpki_service.break_with("crl", Fault.HTTP_CUT)
    with pytest.raises(httpx.RemoteProtocolError):
        get(url)
    jpki_service.break_with("crl", Fault.HTTP_SLOW, seconds=0.5)
    with pytest.raises(httpx.ReadTimeout), httpx.Client(trust_env=False, timeout=0.1) as client:
        client.get(url)
    jpki_service.break_with("crl", Fault.HTTP_BYTEWISE, seconds=0.01)
    with httpx.Client(trust_env=False) as client, client.stream("GET", url) as response:
        assert len(next(response.iter_raw())) < 10
    jpki_service.break_with("crl", Fault.HTTP_ENDLESS)
    with httpx.Client(trust_env=False) as client, client.stream("GET", url) as response:
        total = 0
        for block in response.iter_raw():
            total += len(block)
            if total > 1 << 20:
                break
    assert total > 1 << 20
    for fault, status in ((Fault.HTTP_404, 404), (Fault.HTTP_500, 500), (Fault.HTTP_REDIRECT, 302)):
        jpki_service.break_with("crl", fault, times=1)
        assert get(url).status_code == status
    assert get(url).status_code == 200


def test_the_compressed_bomb_is_small_and_unpacks_far(jpki_service: JpkiService) -> None:
    """About a megabyte on the wire, and more than 64 MB already in its first 128 kB."""
    jpki_service.break_with("crl", Fault.HTTP_GZIP_BOMB)
    with (
        httpx.Client(trust_env=False) as client,
        client.stream("GET", jpki_service.crl_url(HOME)) as response,
    ):
        packed = b"".join(response.iter_raw())
    assert len(packed) < 2 << 20
    unpacked = len(zlib.decompressobj(31).decompress(packed[: 128 << 10]))
    assert unpacked > 64 << 20


def test_requests_are_counted(jpki_service: JpkiService) -> None:
    """A test can prove that a forged token caused no revocation request."""
    before = jpki_service.requests().get("ocsp", 0)
    ask(jpki_service, "adult")
    assert jpki_service.requests()["ocsp"] == before + 1


def test_bad_requests_get_an_answer_and_not_silence(jpki_service: JpkiService) -> None:
    """Unknown paths 404, wrong clocks and unknown faults 400, junk OCSP `malformedRequest`."""
    assert get(f"{jpki_service.url}/nothing").status_code == 404
    assert get(jpki_service.crl_url(Partition(AUTHENTICATION, 3, "999999"))).status_code in {400, 404}
    assert get(jpki_service.crl_url(HOME), **{"Mykey-Test-Now": "yesterday"}).status_code == 400
    with httpx.Client(trust_env=False) as client:
        answer = client.post(jpki_service.ocsp_url(AUTHENTICATION), content=b"junk").content
        refused = client.put(f"{jpki_service.url}/admin/faults", content=b'{"target": "crl", "fault": "x"}')
    assert ocsp.load_der_ocsp_response(answer).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    assert refused.status_code == 400


def test_the_clock_may_be_set_for_one_request(jpki_service: JpkiService) -> None:
    """The header moves the clock for one request only."""
    later = datetime(2026, 12, 24, tzinfo=UTC)
    url = jpki_service.crl_url(HOME)
    moved = x509.load_der_x509_crl(get(url, **{"Mykey-Test-Now": later.isoformat()}).content)
    assert moved.last_update_utc > x509.load_der_x509_crl(get(url).content).last_update_utc
