"""The certification authorities: their certificates by generation, what they issue, and what they revoked.

The contents of names and extensions are in `profile.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator import keystore, personas
from mykey_cardap.emulator.contents.holder import CardHolder
from mykey_cardap.emulator.epoch import (
    CERTIFICATE_YEARS,
    NEXT_GENERATION_YEARS,
    end_of_day,
    epoch_year,
    nth_birthday_after,
    start_of_day,
)
from mykey_cardap.emulator.files import CardKey
from mykey_cardap.emulator.jpki import profile
from mykey_cardap.emulator.personas import Issuer, Municipality, Persona
from mykey_cardap.kinds import CertificateKind

PublicKey = RSAPublicKey | EllipticCurvePublicKey

NEXT_GENERATION: Final = 4

# Validity and serial of each CA generation, as years from the epoch; the pattern is that of the real CAs
# of 2015, 2019 and 2023 (§15). Generation 2 ends after its epoch, so that its cards are valid throughout.
_CA_VALIDITY: Final = {
    1: ((-11, 10, 20, 3, 8, 13), (-1, 10, 19, 14, 59, 59)),
    2: ((-7, 9, 14, 23, 41, 56), (4, 1, 1, 14, 59, 59)),
    3: ((-3, 7, 16, 1, 1, 4), (7, 7, 15, 14, 59, 59)),
    NEXT_GENERATION: ((-1, 4, 1, 0, 0, 0), (14, 3, 31, 14, 59, 59)),
}
_CA_SERIALS: Final = {1: 0x01, 2: 0x0133C3E1, 3: 0x06D180E1, NEXT_GENERATION: 0x0A11CEE1}
GENERATIONS: Final = (1, 2, 3)
_DER: Final = Encoding.DER


@dataclass(frozen=True, slots=True)
class RevokedSerial:
    """One entry of a CRL: `date` is UTC, `reason` the RFC 5280 reason."""

    serial: int
    date: datetime
    reason: x509.ReasonFlags


class EmulatedJpki:
    """The test JPKI of the epoch that `today` lies in. All results are the same within an epoch."""

    def __init__(self, today: date) -> None:
        self.today = today
        self.epoch = epoch_year(today)

    def ca_certificate(
        self, kind: CertificateKind, generation: int, *, issuer: Issuer = Issuer.GENUINE
    ) -> x509.Certificate:
        """A self-signed CA certificate. Generations 1, 2, 3 are RSA-2048 and 4 is P-384; all share one DN.

        `issuer` FORGED or UNKNOWN gives the false CAs behind the personas of that name; only GENUINE ones
        may be pinned by a verifier.
        """
        key = _ca_key(kind, generation, issuer)
        first, last = (self._instant(parts) for parts in _CA_VALIDITY[generation])
        builder = _builder(profile.ca_name(kind), profile.ca_name(kind), key.public_key())
        builder = builder.serial_number(_ca_serial(generation, issuer))
        builder = builder.not_valid_before(first).not_valid_after(last)
        builder = _extended(builder, profile.ca_extensions(kind))
        builder = builder.add_extension(_claimed_key_identifier(kind, generation, issuer), critical=False)
        return _signed(builder, key)

    def issue(
        self,
        kind: CertificateKind,
        public_key: PublicKey,
        *,
        holder: CardHolder,
        municipality: Municipality,
        serial: int,
        common_name: str,
        issued: date,
        generation: int = 3,
        issuer: Issuer = Issuer.GENUINE,
    ) -> x509.Certificate:
        """Issue an end-entity certificate of the profile for any holder and key.

        Valid from the start of the day `issued` (Japanese time) to the end of the fifth birthday after it
        (the tenth for generation 4). `common_name` has 23 characters; see `common_name`.
        """
        years = NEXT_GENERATION_YEARS if generation == NEXT_GENERATION else CERTIFICATE_YEARS
        name = profile.subject(kind, municipality, common_name)
        authority = profile.ca_name(kind)
        builder = _builder(authority, name, public_key).serial_number(serial)
        builder = builder.not_valid_before(start_of_day(issued))
        builder = builder.not_valid_after(end_of_day(nth_birthday_after(holder.birth_date, issued, years)))
        extensions = profile.end_entity_extensions(kind, municipality, holder, personas.substitutes())
        builder = _extended(builder, extensions)
        builder = builder.add_extension(
            _authority_key_identifier(kind, generation, issuer), critical=False
        ).add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        return _signed(builder, _ca_key(kind, generation, issuer))

    def certificate(self, persona: Persona, kind: CertificateKind) -> x509.Certificate:
        """The certificate of this kind on the card of `persona`, also when the persona's CA is a false one."""
        if persona.certificates_of is not None:
            return self.certificate(self.persona(persona.certificates_of), kind)
        key = persona_key(persona, kind)
        serial = self.serial_number(persona, kind)
        if persona.issuer is Issuer.SELF:
            return self._self_signed(persona, kind, key, serial)
        return self.issue(
            kind,
            _public(key),
            holder=persona.holder,
            municipality=persona.municipality,
            serial=serial,
            common_name=self.common_name(persona, kind),
            issued=persona.issued,
            generation=persona.generation,
            issuer=persona.issuer,
        )

    def _self_signed(self, persona: Persona, kind: CertificateKind, key: CardKey, serial: int) -> x509.Certificate:
        name = profile.subject(kind, persona.municipality, self.common_name(persona, kind))
        holder, town = persona.holder, persona.municipality
        last = nth_birthday_after(holder.birth_date, persona.issued, CERTIFICATE_YEARS)
        builder = _builder(name, name, _public(key)).serial_number(serial)
        builder = builder.not_valid_before(start_of_day(persona.issued)).not_valid_after(end_of_day(last))
        extensions = profile.end_entity_extensions(kind, town, holder, personas.substitutes())
        return _signed(_extended(builder, extensions), key)

    def persona(self, name: str) -> Persona:
        """The persona `name` of this epoch."""
        return personas.load(name, self.today)

    def serial_number(self, persona: Persona, kind: CertificateKind) -> int:
        """The serial (発行番号) of a persona's certificate: positive, three or four bytes, unique per kind."""
        owner = persona.serial_of or persona.name
        digest = self._digest("serial", owner, kind)
        width = 3 + digest[4] % 2
        return int.from_bytes(bytes((digest[0] & 0x7F | 0x01, *digest[1:width])), "big")

    def common_name(self, persona: Persona, kind: CertificateKind) -> str:
        """The subject's CN of 23 characters, with the five digits of the municipality in it (§14.1)."""
        opaque = self._digest("cn", persona.name, kind).hex().upper()
        code = persona.municipality.five_digits
        if kind is CertificateKind.AUTHENTICATION:
            return f"{opaque[:11]}IEG{code}{int(opaque[-4:], 16) % 1000:03d}A"
        return f"{persona.issued:%Y%m%d}101500{int(opaque[-4:], 16) % 1000:03d}{code}A"

    def distribution_point(
        self, municipality_code: str, kind: CertificateKind = CertificateKind.AUTHENTICATION
    ) -> x509.Name:
        """The directory name of the CRL partition of a municipality (six-digit code)."""
        return profile.distribution_point_name(kind, personas.municipality(municipality_code))

    def revoked_serials(self, kind: CertificateKind, generation: int, municipality_code: str) -> list[RevokedSerial]:
        """What the CA of this kind and generation has revoked among the personas of one municipality."""
        everyone = (self.persona(name) for name in personas.names())
        return [
            RevokedSerial(
                self.serial_number(persona, kind),
                start_of_day(date(self.epoch, 1, 1)),
                x509.ReasonFlags(persona.revocation.reason),
            )
            for persona in everyone
            if persona.revocation is not None
            and kind in persona.revocation.kinds
            and persona.generation == generation
            and persona.municipality.code == municipality_code
        ]

    def crl(
        self,
        kind: CertificateKind,
        generation: int,
        distribution_point: x509.Name,
        *,
        revoked: Sequence[RevokedSerial],
        this_update: datetime,
        next_update: datetime,
        number: int,
        issuer: Issuer = Issuer.GENUINE,
    ) -> bytes:
        """A CRL (DER) of one partition, with a critical IssuingDistributionPoint. Instants must be aware.

        `issuer` FORGED signs with the false CA's key under the genuine name.
        """
        if profile.ca_name(kind).rdns[2] not in distribution_point.rdns:
            raise ValueError(f"the distribution point is not one of the {kind} CA")
        builder = (
            x509.CertificateRevocationListBuilder(profile.ca_name(kind))
            .last_update(this_update.astimezone(UTC))
            .next_update(next_update.astimezone(UTC))
            .add_extension(_authority_key_identifier(kind, generation, issuer), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(_issuing_distribution_point(distribution_point), critical=True)
        )
        for entry in revoked:
            builder = builder.add_revoked_certificate(_crl_entry(entry))
        key = _ca_key(kind, generation, issuer)
        crl = builder.sign(key, _hash_for(key), ecdsa_deterministic=_deterministic(key))
        return crl.public_bytes(_DER)

    def _instant(self, parts: tuple[int, ...]) -> datetime:
        year, month, day, hour, minute, second = parts
        return datetime(self.epoch + year, month, day, hour, minute, second, tzinfo=UTC)

    def _digest(self, *labels: str) -> bytes:
        return sha256("|".join((str(self.epoch), *labels)).encode()).digest()


def persona_key(persona: Persona, kind: CertificateKind) -> CardKey:
    """The private key of this kind in the card of `persona`."""
    return keystore.key(f"persona/{persona.name}/{kind}")


def ocsp_responder_key(kind: CertificateKind) -> CardKey:
    """The key of the OCSP responder of this kind."""
    return keystore.key(f"ocsp/{kind}")


def ca_key(kind: CertificateKind, generation: int) -> CardKey:
    """The private key of a genuine CA, for tests that make certificates no CA would issue."""
    return _ca_key(kind, generation, Issuer.GENUINE)


def _ca_key(kind: CertificateKind, generation: int, issuer: Issuer) -> CardKey:
    return keystore.key(f"ca/{kind}/{generation if issuer is Issuer.GENUINE else issuer}")


def _ca_serial(generation: int, issuer: Issuer) -> int:
    # A CA of an unknown generation has its own serial; a forger copies that of the real one.
    return 0x0DEADE if issuer is Issuer.UNKNOWN else _CA_SERIALS[generation]


def _claimed_key_identifier(kind: CertificateKind, generation: int, issuer: Issuer) -> x509.SubjectKeyIdentifier:
    """The key identifier that a CA claims: a forger copies the genuine one, so that only the signature tells."""
    claimed = Issuer.GENUINE if issuer is Issuer.FORGED else issuer
    return x509.SubjectKeyIdentifier.from_public_key(_public(_ca_key(kind, generation, claimed)))


def _authority_key_identifier(kind: CertificateKind, generation: int, issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    identifier = _claimed_key_identifier(kind, generation, issuer)
    name = x509.DirectoryName(profile.ca_name(kind))
    return x509.AuthorityKeyIdentifier(identifier.digest, [name], _ca_serial(generation, issuer))


def _issuing_distribution_point(name: x509.Name) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.DirectoryName(name)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


def _crl_entry(entry: RevokedSerial) -> x509.RevokedCertificate:
    return (
        x509.RevokedCertificateBuilder()
        .serial_number(entry.serial)
        .revocation_date(entry.date)
        .add_extension(x509.CRLReason(entry.reason), critical=False)
        .build()
    )


def _builder(issuer: x509.Name, name: x509.Name, public_key: PublicKey) -> x509.CertificateBuilder:
    return x509.CertificateBuilder().issuer_name(issuer).subject_name(name).public_key(public_key)


def _extended(
    builder: x509.CertificateBuilder, extensions: Sequence[tuple[x509.ExtensionType, bool]]
) -> x509.CertificateBuilder:
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder


def _signed(builder: x509.CertificateBuilder, key: CardKey) -> x509.Certificate:
    return builder.sign(key, _hash_for(key), ecdsa_deterministic=_deterministic(key))


def _deterministic(key: CardKey) -> bool | None:
    """RFC 6979 for the P-384 authority, so that its certificates too are the same in every run."""
    return True if isinstance(key, EllipticCurvePrivateKey) else None


def _hash_for(key: CardKey) -> hashes.SHA256 | hashes.SHA384:
    return hashes.SHA384() if isinstance(key, EllipticCurvePrivateKey) else hashes.SHA256()


def _public(key: CardKey) -> PublicKey:
    return key.public_key()
