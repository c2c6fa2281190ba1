"""Signed PDFs and CMS, made with the cards' own keys, and everything that must not be accepted about them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from asn1crypto import cms, keys
from asn1crypto import x509 as asn1_x509
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.generic import DictionaryObject, NameObject, NumberObject, StreamObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, SimpleSigner, sign_pdf
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko_certvalidator.registry import SimpleCertificateStore

from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.emulator.jpki.authority import ca_key, persona_key
from mykey_cardap.kinds import CertificateKind
from mykey_core.trust.revocation import CrlBytesSource
from mykey_core.trust.signatures import DocumentReport, SignatureVerifier
from mykey_core.trust.signatures.cli import verify_signature
from mykey_core.trust.signatures.signer_info import TEST_POLICY
from mykey_core.trust.store import TrustStore
from mykey_core.trust.types import RevocationAnswer, ValidatedCertificate

AT = datetime(2026, 11, 2, 3, 4, 5, tzinfo=UTC)
SIGNATURE = CertificateKind.SIGNATURE
JPKI = EmulatedJpki(AT.date())
GENERATIONS = (1, 2, 3, 4)
STORE = TrustStore(JPKI.ca_certificate(SIGNATURE, generation) for generation in GENERATIONS)
ADULT = JPKI.persona("adult")


class CountingSource:
    """CRLs of the home town for every generation, and how often they were asked."""

    def __init__(self, *, generations: tuple[int, ...] = GENERATIONS) -> None:
        self.asked = 0
        town = ADULT.municipality.code
        crls = [
            JPKI.crl(
                SIGNATURE,
                generation,
                JPKI.distribution_point(town, SIGNATURE),
                revoked=JPKI.revoked_serials(SIGNATURE, generation, town),
                this_update=AT - timedelta(hours=1),
                next_update=AT + timedelta(days=1),
                number=1,
            )
            for generation in generations
        ]
        self._source = CrlBytesSource(crls, STORE.issuers(SIGNATURE))

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """Count and pass on."""
        self.asked += 1
        return self._source.check(certificate, now)


def certificate_of(persona: str) -> x509.Certificate:
    """The signature certificate of a persona."""
    return JPKI.certificate(JPKI.persona(persona), SIGNATURE)


def signer(persona: str = "adult", certificate: x509.Certificate | None = None) -> SimpleSigner:
    """A signer with the persona's key; the certificate may be another."""
    chosen = certificate or certificate_of(persona)
    secret = persona_key(JPKI.persona(persona), SIGNATURE)
    der = secret.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(chosen.public_bytes(Encoding.DER)),
        signing_key=keys.PrivateKeyInfo.load(der),
        cert_registry=SimpleCertificateStore(),
    )


def blank_pdf() -> bytes:
    """One empty page."""
    writer = PdfFileWriter(stream_xrefs=False)
    content = writer.add_object(StreamObject(stream_data=b"q Q"))
    page = PageObject(contents=content, media_box=[NumberObject(n) for n in (0, 0, 200, 200)])
    writer.insert_page(page)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def signed_pdf(*persons: str, content: bytes | None = None) -> bytes:
    """A PDF that the persons signed one after the other."""
    document = content or blank_pdf()
    for number, person in enumerate(persons, start=1):
        metadata = PdfSignatureMetadata(
            field_name=f"Signature{number}",
            md_algorithm="sha384" if person == "next-generation" else "sha256",
            subfilter=SigSeedSubFilter.PADES,
        )
        out = sign_pdf(IncrementalPdfFileWriter(BytesIO(document)), metadata, signer=signer(person))
        document = out.getvalue()
    return document


def signed_cms(
    content: bytes = b"content", *, who: SimpleSigner | None = None, detached: bool = False, cades: bool = True
) -> bytes:
    """A CMS over `content`."""
    made = asyncio.run((who or signer()).async_sign_general_data(content, "sha256", detached=detached, use_cades=cades))
    return bytes(made.dump())


def verify(document: bytes, *, at: datetime = AT, content: bytes | None = None) -> DocumentReport:
    """Judge with the home town's CRLs."""
    return SignatureVerifier(store=STORE, revocation=CountingSource()).verify(document, at=at, content=content)


def reasons(report: DocumentReport) -> list[str]:
    """The reason of each signature."""
    return [str(one.reason) for one in report.signatures]


def test_a_signed_pdf_is_accepted_and_names_its_signer() -> None:
    """One signature over the whole file: accepted, with the four items of the certificate."""
    report = verify(signed_pdf("adult"))
    assert report.accepted
    (one,) = report.signatures
    assert one.attributes is not None
    assert one.attributes.name.text == ADULT.holder.name_on_card
    assert one.attributes.address.text == ADULT.holder.address
    assert one.later_changes == "none"


@pytest.mark.parametrize("person", ["generation-2", "next-generation", "renewed"])
def test_every_generation_and_key_type_is_accepted(person: str) -> None:
    """The CA is chosen by its key; RSA and P-384 certificates both verify (lesson of a trust list without gen. 2)."""
    assert verify(signed_pdf(person)).accepted


def test_two_signatures_are_both_checked() -> None:
    """The first covers its revision and the second the whole file."""
    report = verify(signed_pdf("adult", "generation-2"))
    assert report.accepted
    assert [one.later_changes for one in report.signatures] == ["signatures", "none"]


@pytest.mark.parametrize("order", [("adult", "revoked"), ("revoked", "adult")])
def test_one_bad_signature_refuses_the_document(order: tuple[str, str]) -> None:
    """GHSA-g258-q5gf-7hvx: not only the first, not only the last signature counts."""
    report = verify(signed_pdf(*order))
    assert not report.accepted
    assert sorted(reasons(report)) == ["ok", "revoked"]


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        ("revoked", "revoked"),
        ("held", "held"),
        ("moved", "revoked"),
        ("ended", "revoked"),
        ("superseded", "revoked"),
        ("expired", "certificate_expired"),
        ("not-yet-valid", "certificate_not_yet_valid"),
        ("forged-ca", "issuer_signature_invalid"),
        ("unknown-generation", "issuer_key_unknown"),
        ("self-signed", "issuer_unknown"),
        ("generation-1", "issuer_expired"),
    ],
)
def test_a_signer_who_must_not_be_believed_is_refused(person: str, reason: str) -> None:
    """GHSA-58hw-cg5m-88rp: validity, issuer and revocation of the signer decide, not only the mathematics."""
    report = verify(signed_cms(who=signer(person)))
    assert (report.accepted, reasons(report)) == (False, [reason])


def test_the_authentication_certificate_signs_no_document() -> None:
    """Key usage and policy: the wrong kind of certificate is refused, whoever issued it."""
    login = JPKI.certificate(ADULT, CertificateKind.AUTHENTICATION)
    secret = persona_key(ADULT, CertificateKind.AUTHENTICATION)
    der = secret.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    wrong = SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(login.public_bytes(Encoding.DER)),
        signing_key=keys.PrivateKeyInfo.load(der),
        cert_registry=SimpleCertificateStore(),
    )
    assert reasons(verify(signed_cms(who=wrong))) == ["certificate_other_kind"]


def test_an_old_signature_can_be_checked_for_the_time_of_its_certificate() -> None:
    """The moment is an argument: a generation-1 signature is judged as of 2025, with a CRL of that time."""
    then = datetime(2025, 6, 1, tzinfo=UTC)
    town = ADULT.municipality.code
    crl = JPKI.crl(
        SIGNATURE,
        1,
        JPKI.distribution_point(town, SIGNATURE),
        revoked=[],
        this_update=then,
        next_update=then + timedelta(days=1),
        number=1,
    )
    source = CrlBytesSource([crl], STORE.issuers(SIGNATURE))
    verifier = SignatureVerifier(store=STORE, revocation=source)
    assert verifier.verify(signed_cms(who=signer("generation-1")), at=then).accepted


def test_no_usable_crl_means_refusal() -> None:
    """Fail closed: without a CRL of the signer's CA and town nothing is accepted."""
    verifier = SignatureVerifier(store=STORE, revocation=CountingSource(generations=(2,)))
    assert reasons(verifier.verify(signed_pdf("adult"), at=AT)) == ["no_crl"]
    assert not verify(signed_pdf("adult"), at=AT + timedelta(days=3)).accepted


def test_a_forged_signature_causes_no_revocation_question() -> None:
    """ORD-01: revocation is asked last."""
    source = CountingSource()
    verifier = SignatureVerifier(store=STORE, revocation=source)
    document = bytearray(signed_pdf("adult"))
    document[20] ^= 1
    assert reasons(verifier.verify(bytes(document), at=AT)) in (["content_changed"], ["malformed"])
    assert reasons(verifier.verify(signed_cms(who=signer("wrong-key")), at=AT)) != ["ok"]
    assert source.asked == 0


# -- changes after signing -----------------------------------------------------------------------------------


def _updated(document: bytes, change: str) -> bytes:
    """An incremental update that nobody signed."""
    writer = IncrementalPdfFileWriter(BytesIO(document))
    if change == "page":
        page = writer.root["/Pages"]["/Kids"][0].get_object()
        page[NameObject("/Rotate")] = NumberObject(180)
        writer.update_container(page)
    elif change == "metadata":
        writer.set_info(writer.add_object(DictionaryObject({NameObject("/X"): NumberObject(1)})))
    else:
        writer.root[NameObject("/Extra")] = NumberObject(1)
        writer.update_root()
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("change", ["page", "metadata", "catalogue"])
def test_an_update_that_nobody_signed_is_refused(change: str) -> None:
    """Whatever an incremental update changes, also where viewers would not show it, the document is refused."""
    report = verify(_updated(signed_pdf("adult"), change))
    assert not report.accepted
    assert set(reasons(report)) <= {"changed_later", "unsigned_update"}


def test_a_change_between_two_signatures_is_refused() -> None:
    """The later signer does not heal what was changed under the earlier one."""
    changed = _updated(signed_pdf("adult"), "page")
    metadata = PdfSignatureMetadata(field_name="Signature2", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)
    twice = sign_pdf(IncrementalPdfFileWriter(BytesIO(changed)), metadata, signer=signer("renewed")).getvalue()
    assert reasons(verify(twice)) == ["changed_later", "ok"]
    assert not verify(twice).accepted


def test_a_certification_that_forbids_changes_holds_against_a_later_signature(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DocMDP: the author allowed nothing more, so a further signature refuses the document."""
    metadata = PdfSignatureMetadata(
        field_name="Author",
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
    )
    certified = sign_pdf(IncrementalPdfFileWriter(BytesIO(blank_pdf())), metadata, signer=signer()).getvalue()
    assert verify(certified).accepted
    # A program that does not care about certifications:
    monkeypatch.setattr(PdfSigner, "_enforce_certification_constraints", lambda *_: None)
    assert reasons(verify(signed_pdf("renewed", content=certified))) == ["changed_later", "ok"]


def test_bytes_after_the_end_are_refused() -> None:
    """Also bytes that no PDF reader looks at."""
    assert not verify(signed_pdf("adult") + b"\n% one more comment\n").accepted


@pytest.mark.parametrize("position", [0.1, 0.3, 0.9, 0.999])
def test_a_changed_byte_is_noticed(position: float) -> None:
    """Anywhere in the file: in the signed ranges, and in the room beside the signature that is not signed."""
    document = bytearray(signed_pdf("adult"))
    document[int(len(document) * position)] ^= 1
    assert not verify(bytes(document)).accepted


def test_an_unsigned_pdf_and_no_pdf_are_told_apart() -> None:
    """`unsigned` is an answer of its own; junk is malformed."""
    assert verify(blank_pdf()).reason == "unsigned"
    assert verify(b"%PDF-1.7\njunk").reason == "malformed"
    assert verify(b"junk").reason == "malformed"
    assert verify(b"").reason == "malformed"


# -- CMS -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cades", [True, False])
def test_cms_with_the_content_inside_and_beside(*, cades: bool) -> None:
    """CAdES and plain CMS; a detached one needs its content, and another content is refused."""
    assert verify(signed_cms(cades=cades)).accepted
    detached = signed_cms(detached=True, cades=cades)
    assert verify(detached, content=b"content").accepted
    assert verify(detached).reason == "content_missing"
    assert reasons(verify(detached, content=b"Content")) == ["content_changed"]
    assert verify(signed_cms(), content=b"content").reason == "content_twice"


def _with_key_identifier(der: bytes, *, identifier: bytes | None = None) -> bytes:
    """The same CMS with the signer named by subject key identifier (not signed, so the signature stays)."""
    information = cms.ContentInfo.load(der)
    signed = information["content"]
    certificate = signed["certificates"][0].chosen
    info = signed["signer_infos"][0]
    info["sid"] = cms.SignerIdentifier(name="subject_key_identifier", value=identifier or certificate.key_identifier)
    info["version"] = "v3"
    signed["version"] = "v3"
    return bytes(information.dump(force=True))


def test_a_signer_named_by_key_identifier_is_found() -> None:
    """GHSA-58hw-cg5m-88rp: the SKI form of the signer identifier is understood, and a wrong one refused."""
    assert verify(_with_key_identifier(signed_cms())).accepted
    wrong = _with_key_identifier(signed_cms(), identifier=b"\x00" * 20)
    assert reasons(verify(wrong)) == ["signer_certificate"]


def _merged(first: bytes, second: bytes) -> bytes:
    """One CMS with the signers of both."""
    information, other = cms.ContentInfo.load(first), cms.ContentInfo.load(second)
    for part in ("certificates", "signer_infos"):
        for entry in other["content"][part]:
            information["content"][part].append(entry)
    return bytes(information.dump(force=True))


def test_every_signer_of_a_cms_is_checked() -> None:
    """Two good signers are accepted; a revoked second one refuses the file."""
    assert verify(_merged(signed_cms(), signed_cms(who=signer("renewed")))).accepted
    mixed = verify(_merged(signed_cms(), signed_cms(who=signer("revoked"))))
    assert not mixed.accepted
    assert sorted(reasons(mixed)) == ["ok", "revoked"]


def test_a_cms_without_signers_is_unsigned() -> None:
    """An empty set of signers is no signature."""
    information = cms.ContentInfo.load(signed_cms())
    information["content"]["signer_infos"] = []
    assert verify(bytes(information.dump(force=True))).reason == "unsigned"


def test_another_certificate_in_place_of_the_signers_is_refused() -> None:
    """The signature of A under the certificate of B."""
    swapped = signed_cms(who=signer("adult", certificate_of("renewed")), cades=False)
    assert reasons(verify(swapped)) == ["signature_invalid"]


def test_sha1_is_refused() -> None:
    """A CMS digest of SHA-1 does not count, although the certificate is sound."""
    made = asyncio.run(signer().async_sign_general_data(b"content", "sha1", detached=False))
    assert reasons(verify(bytes(made.dump()))) == ["algorithm"]


def test_a_sha1_signature_under_a_sha256_digest_is_refused() -> None:
    """Both algorithms of a SignerInfo are judged, not the digest alone."""
    information = cms.ContentInfo.load(signed_cms(cades=False))
    info = information["content"]["signer_infos"][0]
    info["signature_algorithm"] = {"algorithm": "sha1_rsa"}
    attributes = info["signed_attrs"].untag()
    attributes = cms.CMSAttributes(
        [attribute for attribute in attributes if attribute["type"].native != "cms_algorithm_protection"]
    )
    secret = persona_key(ADULT, SIGNATURE)
    assert isinstance(secret, rsa.RSAPrivateKey)
    info["signed_attrs"] = attributes
    info["signature"] = secret.sign(attributes.dump(), padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - refused here
    assert reasons(verify(bytes(information.dump(force=True)))) == ["algorithm"]


@pytest.mark.parametrize("end", [10, 200, 1000, -1])
def test_a_truncated_cms_is_malformed(end: int) -> None:
    """Half a file is no file."""
    report = verify(signed_cms()[:end])
    assert not report.accepted


# -- the test policy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [b"\n", b"\0", b"more"])
def test_bytes_after_a_cms_are_refused(more: bytes) -> None:
    """Nobody signed them, and another program might read them."""
    assert verify(signed_cms()).accepted
    assert verify(signed_cms() + more).reason == "malformed"


def test_the_parts_of_a_cms_that_nobody_signs_are_of_good_form() -> None:
    """A list of digest algorithms that is no list is refused, although no signature covers it."""
    good = signed_cms()
    at = good.index(b"\x31", good.index(b"\x02\x01\x01"))  # the SET after the version
    assert verify(good[:at] + b"\x04" + good[at + 1 :]).reason == "malformed"


def _with_policy(oid: str, organization: str) -> tuple[x509.Certificate, x509.Certificate]:
    """A signature certificate with another policy below a CA of another organization, and that CA."""
    template, key = certificate_of("adult"), ca_key(SIGNATURE, 3)
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "JPKI for digital signature"),
        ]
    )

    def rebuilt(original: x509.Certificate, subject: x509.Name) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(name)
        builder = builder.public_key(original.public_key()).serial_number(original.serial_number)
        builder = builder.not_valid_before(original.not_valid_before_utc).not_valid_after(original.not_valid_after_utc)
        for extension in original.extensions:
            value = extension.value
            if isinstance(value, x509.CertificatePolicies):
                value = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None)])
            builder = builder.add_extension(value, critical=extension.critical)
        return builder.sign(key, hashes.SHA256(), rsa_padding=padding.PKCS1v15())

    return rebuilt(template, template.subject), rebuilt(JPKI.ca_certificate(SIGNATURE, 3), name)


@pytest.mark.parametrize(
    ("oid", "organization", "reason"),
    [
        (TEST_POLICY, "JPKI-EMU", "no_crl"),
        (TEST_POLICY, "JPKI", "test_policy"),
        ("1.2.392.200149.8.5.1.9.9", "JPKI-EMU", "policy_not_allowed"),
        ("2.5.29.32.0", "JPKI-EMU", "policy_not_allowed"),
    ],
)
def test_the_test_policy_counts_below_the_emulator_only(oid: str, organization: str, reason: str) -> None:
    """The policy of J-LIS's test environment passes the certificate checks below JPKI-EMU, never below JPKI."""
    leaf, ca = _with_policy(oid, organization)
    store = TrustStore([ca])
    verifier = SignatureVerifier(store=store, revocation=CrlBytesSource([], store.issuers(SIGNATURE)))
    assert reasons(verifier.verify(signed_cms(who=signer("adult", leaf)), at=AT)) == [reason]


# -- the command ---------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A signed PDF, the CA and its CRL as files."""
    (tmp_path / "signed.pdf").write_bytes(signed_pdf("adult"))
    (tmp_path / "ca.pem").write_bytes(JPKI.ca_certificate(SIGNATURE, 3).public_bytes(Encoding.PEM))
    town = ADULT.municipality.code
    point = JPKI.distribution_point(town, SIGNATURE)
    times = {"this_update": AT, "next_update": AT + timedelta(days=1)}
    (tmp_path / "town.crl").write_bytes(JPKI.crl(SIGNATURE, 3, point, revoked=[], number=1, **times))
    return tmp_path


def _arguments(files: Path) -> list[str]:
    return [
        str(files / "signed.pdf"),
        "--anchor",
        str(files / "ca.pem"),
        "--crl",
        str(files / "town.crl"),
        "--at",
        AT.isoformat(),
    ]


def test_the_command_prints_who_signed(files: Path) -> None:
    """JSON with the verdict and the signer; without the attributes on request; exit 1 when refused."""
    result = CliRunner().invoke(verify_signature, [*_arguments(files), "--emulated"])
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["verdict"]) == (0, "accept")
    assert answer["signatures"][0]["signer"]["name"] == ADULT.holder.name_on_card
    quiet = CliRunner().invoke(verify_signature, [*_arguments(files), "--emulated", "--no-attributes"])
    assert ADULT.holder.name_on_card not in quiet.output
    late = CliRunner().invoke(verify_signature, [*_arguments(files), "--emulated", "--at", "2027-01-01T00:00:00Z"])
    assert (late.exit_code, json.loads(late.stdout)["signatures"][0]["reason"]) == (1, "crl_stale")


def test_the_emulators_ca_needs_to_be_asked_for(files: Path) -> None:
    """Without --emulated the emulator's CA is no anchor: exit 2 and a sentence."""
    result = CliRunner().invoke(verify_signature, _arguments(files))
    assert result.exit_code == 2
    assert "--emulated" in result.stderr
