"""A small world for attacks: a town's CA, cards of any shape, tokens of any shape, and the hub's verifier.

The certificates are made here with `cryptography` (and asn1crypto for what no builder would make), from keys that are
public and pre-generated. `refused` also switches the one check off that should have stopped the attack, and wants to
see the attack succeed: so each negative test shows that its check is the one that matters.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import NameOID

from mykey_cardap.emulator import keystore
from mykey_core.authentication.algorithms import ALGORITHMS, Algorithm, Scheme
from mykey_core.authentication.errors import TokenRefused
from mykey_core.authentication.verifier import TokenVerifier, VerifiedToken
from mykey_core.trust.store import TrustStore
from mykey_core.trust.types import RevocationAnswer, RevocationState, ValidatedCertificate

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Extension = tuple[x509.ExtensionType, bool]
DATA = Path(__file__).parent / "data"
CURVES: dict[str, ec.EllipticCurve] = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
HASHES = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}
NOW = datetime(2026, 11, 1, 3, tzinfo=UTC)
ORIGIN = "https://hub.city.example.jp"
NONCE = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
AUTHENTICATION_POLICY = "1.2.392.200149.8.5.1.3.30"
_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@cache
def private_key(name: str) -> PrivateKey:
    """A key by name: of the emulator's key file, of `data/`, or `p256-2`: the second key on that curve."""
    if name.split("-", maxsplit=1)[0] in CURVES:
        curve, _, number = name.partition("-")
        return ec.derive_private_key(int(number or 1) + 7, CURVES[curve])
    if name == "ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    if name.startswith("rsa-"):
        loaded = serialization.load_pem_private_key((DATA / f"{name}.pem").read_bytes(), None)
        assert isinstance(loaded, rsa.RSAPrivateKey)
        return loaded
    return keystore.key(name)


def name_of(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """A distinguished name."""
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


CA_NAME = name_of(
    (NameOID.COUNTRY_NAME, "JP"),
    (NameOID.ORGANIZATION_NAME, "JPKI-EMU"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "JPKI for user authentication"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "Japan Agency for Local Authority Information Systems"),
)
SIGNING_CA_NAME = name_of(
    (NameOID.COUNTRY_NAME, "JP"),
    (NameOID.ORGANIZATION_NAME, "JPKI-EMU"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "JPKI for digital signature"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "Japan Agency for Local Authority Information Systems"),
)
SUBJECT = name_of((NameOID.COUNTRY_NAME, "JP"), (NameOID.COMMON_NAME, "997794E9AGCIEG13221003A"))


class Revocation:
    """A revocation source with a fixed answer that remembers whom it was asked about."""

    def __init__(self, state: RevocationState = RevocationState.GOOD, error: Exception | None = None) -> None:
        self.state = state
        self.error = error
        self.asked: list[ValidatedCertificate] = []

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:
        """See `RevocationSource`."""
        self.asked.append(certificate)
        if self.error is not None:
            raise self.error
        return RevocationAnswer(self.state, "test", now, None)


@dataclass(frozen=True)
class Attempt:
    """All that one login attempt consists of."""

    token: Any
    nonce: str | None = NONCE
    origin: str = ORIGIN
    now: datetime = NOW
    cas: tuple[x509.Certificate, ...] = ()
    revocation: Revocation = field(default_factory=Revocation)

    def verify(self) -> VerifiedToken:
        """Verify with a fresh verifier."""
        verifier = TokenVerifier(trust=TrustStore(self.cas), revocation=self.revocation, origin=self.origin)
        return verifier.verify(self.token, self.nonce, self.now)


def _hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    return hashes.SHA256()


def _usage(names: Iterable[str]) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in set(names) for name in _KEY_USAGES})


class World:
    """Makes certificates and tokens; everything has a default that is accepted."""

    now, origin, nonce = NOW, ORIGIN, NONCE
    ca_name, signing_ca_name, subject = CA_NAME, SIGNING_CA_NAME, SUBJECT
    policy = AUTHENTICATION_POLICY
    key = staticmethod(private_key)
    Revocation = Revocation

    @cache  # noqa: B019 - one world a session
    def ca(
        self,
        key: str = "ca/authentication/3",
        *,
        name: x509.Name = CA_NAME,
        not_before: datetime = NOW - timedelta(days=1000),
        not_after: datetime = NOW + timedelta(days=1000),
        is_ca: bool | None = True,
        usage: tuple[str, ...] | None = ("key_cert_sign", "crl_sign"),
        key_identifier: str | None = "own",
        more: tuple[Extension, ...] = (),
    ) -> x509.Certificate:
        """A self-signed CA certificate; None leaves the extension out."""
        private = private_key(key)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
        builder = builder.serial_number(1000 + len(key)).not_valid_before(not_before).not_valid_after(not_after)
        if is_ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        if usage is not None:
            builder = builder.add_extension(_usage(usage), critical=True)
        if key_identifier is not None:
            owner = private if key_identifier == "own" else private_key(key_identifier)
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(owner.public_key()), False)
        for extension, critical in more:
            builder = builder.add_extension(extension, critical)
        return builder.sign(private, _hash_for(private))

    def card(
        self,
        key: str = "persona/adult/authentication",
        *,
        issuer: str = "ca/authentication/3",
        issuer_name: x509.Name = CA_NAME,
        subject: x509.Name = SUBJECT,
        serial: int = 0x0712AB,
        not_before: datetime = NOW - timedelta(days=100),
        not_after: datetime = NOW + timedelta(days=100),
        usage: tuple[str, ...] | None = ("digital_signature",),
        policies: tuple[str, ...] | None = (AUTHENTICATION_POLICY,),
        purposes: tuple[x509.ObjectIdentifier, ...] | None = None,
        is_ca: bool | None = None,
        authority_key: str | None = "",
        more: tuple[Extension, ...] = (),
        hash_bits: int = 256,
    ) -> bytes:
        """The DER of an end-entity certificate; `authority_key` names another key for the key identifier."""
        private, signer = private_key(key), private_key(issuer)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer_name).serial_number(serial)
        builder = builder.public_key(private.public_key()).not_valid_before(not_before).not_valid_after(not_after)
        extensions: list[Extension] = [*more]
        if usage is not None:
            extensions.append((_usage(usage), True))
        if policies is not None:
            found = [x509.PolicyInformation(x509.ObjectIdentifier(policy), None) for policy in policies]
            extensions.append((x509.CertificatePolicies(found), True))
        if purposes is not None:
            extensions.append((x509.ExtendedKeyUsage(purposes), False))
        if is_ca is not None:
            extensions.append((x509.BasicConstraints(is_ca, None), True))
        if authority_key is not None:
            public = private_key(authority_key or issuer).public_key()
            extensions.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        signed = builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else HASHES[hash_bits])
        return signed.public_bytes(serialization.Encoding.DER)

    def reshape(self, der: bytes, change: Callable[[Any], None], *, issuer: str = "ca/authentication/3") -> bytes:
        """`der` with its TBSCertificate changed by `change` (asn1crypto) and signed again, whatever it says now."""
        tbs = asn1.Certificate.load(der)["tbs_certificate"].copy()
        change(tbs)
        return self.sign_raw(tbs.dump(force=True), asn1.Certificate.load(der)["signature_algorithm"].dump(), issuer)

    def sign_raw(self, tbs: bytes, algorithm: bytes, issuer: str = "ca/authentication/3") -> bytes:
        """A certificate of raw parts, signed by `issuer` with RSA and SHA-256 whatever `algorithm` says."""
        signer = private_key(issuer)
        assert isinstance(signer, rsa.RSAPrivateKey)
        signature = signer.sign(tbs, padding.PKCS1v15(), hashes.SHA256())
        return sequence(tbs + algorithm + element(0x03, b"\x00" + signature))

    def sign(self, key: str, algorithm: str, message: bytes) -> bytes:
        """A signature in the encoding of RFC 7518."""
        private, chosen = private_key(key), ALGORITHMS[algorithm]
        if isinstance(private, rsa.RSAPrivateKey):
            return private.sign(message, _padding(chosen), chosen.hash)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        length = (private.curve.key_size + 7) // 8
        numbers = utils.decode_dss_signature(private.sign(message, ec.ECDSA(chosen.hash)))
        return b"".join(number.to_bytes(length, "big") for number in numbers)

    def message(self, algorithm: str = "RS256", *, origin: str = ORIGIN, nonce: str = NONCE) -> bytes:
        """The signed bytes of authentication-hub §2.1, put together here on its own."""
        digest = getattr(hashlib, f"sha{algorithm[2:]}")
        return bytes(digest(origin.encode()).digest() + digest(nonce.encode()).digest())

    def members(
        self,
        card: bytes | None = None,
        *,
        key: str = "persona/adult/authentication",
        algorithm: str = "RS256",
        origin: str = ORIGIN,
        nonce: str = NONCE,
        signature: bytes | None = None,
    ) -> dict[str, Any]:
        """The members of a token, ready to be spoilt."""
        made = self.sign(key, algorithm, self.message(algorithm, origin=origin, nonce=nonce))
        return {
            "unverifiedCertificate": base64.b64encode(self.card(key) if card is None else card).decode(),
            "algorithm": algorithm,
            "signature": base64.b64encode(made if signature is None else signature).decode(),
            "format": "web-eid:1.0",
        }

    def attempt(self, card: bytes | None = None, **changes: Any) -> Attempt:
        """An attempt with a token of `card`; `token` replaces the token, `spoil` changes its members.

        `key`, `algorithm` and `signature` shape the token; `signed_origin` and `signed_nonce` are what is signed.
        """
        shape = {name: changes.pop(name) for name in ("key", "algorithm", "signature") if name in changes}
        signed = {name: changes.pop(f"signed_{name}", getattr(self, name)) for name in ("origin", "nonce")}
        spoil = changes.pop("spoil", {})
        changes.setdefault("cas", (self.ca(),))
        if "token" not in changes:
            members = self.members(card, **shape, **signed) | spoil
            changes["token"] = json.dumps({name: value for name, value in members.items() if value is not ...})
        return Attempt(**changes)


def _padding(algorithm: Algorithm) -> padding.AsymmetricPadding:
    if algorithm.scheme is Scheme.PKCS1V15:
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(algorithm.hash), algorithm.hash.digest_size)


def element(tag: int, content: bytes) -> bytes:
    """One DER element."""
    size = len(content)
    length = bytes((size,)) if size < 128 else b"\x82" + size.to_bytes(2, "big") if size > 255 else bytes((129, size))
    return bytes((tag,)) + length + content


def sequence(content: bytes) -> bytes:
    """A DER SEQUENCE."""
    return element(0x30, content)


# What a switched-off check answers; None where it only refuses or returns.
_OFF: dict[str, Callable[..., Any]] = {
    "end_entity.check_policy": lambda *_: "switched off",
    "token.check_format": lambda _: 0,
    "token.check_algorithm": lambda _: ALGORITHMS["RS256"],
    "nonce.check_length": lambda nonce: nonce or "",
    "fast_path.has_named_key": lambda *_: True,
    "fast_path.is_signed_by": lambda *_: True,
    "fast_path.may_issue": lambda *_: True,
    "fast_path.has_begun": lambda *_: True,
    "fast_path.has_ended": lambda *_: False,
    "store.lacks_ca_flag": lambda *_: False,
    "store.lacks_key_cert_sign": lambda *_: False,
    "store.has_weak_key": lambda *_: False,
    "store.has_constraint": lambda *_: False,
    "certificate_cache.is_still_in_time": lambda *_: True,
}
_IN_TRUST = ("certificate_form", "end_entity", "fast_path", "store", "certificate_cache", "raw_certificate")


@pytest.fixture(scope="session")
def world() -> World:
    """The maker of certificates and tokens."""
    return World()


@pytest.fixture
def switch_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Switch one check of the verifier off, named `module.function`."""

    def off(guard: str) -> None:
        module, _, function = guard.partition(".")
        package = "trust" if module in _IN_TRUST else "authentication"
        where = import_module(f"mykey_core.{package}.{module}")
        assert callable(getattr(where, function))
        monkeypatch.setattr(where, function, _OFF.get(guard, lambda *_args, **_names: None))

    return off


@pytest.fixture
def refused(switch_off: Callable[[str], None]) -> Callable[..., TokenRefused]:
    """Assert that an attempt is refused with a code; with its `guard` off, accepted or refused as `then` says."""

    def check(attempt: Attempt, code: str, guard: str | None = None, *, then: str | None = None) -> TokenRefused:
        with pytest.raises(TokenRefused) as caught:
            attempt.verify()
        assert caught.value.code == code
        assert caught.value.checks[-1].check is caught.value.check
        if guard is not None:
            switch_off(guard)
            _expect(attempt, then)
        return caught.value

    return check


def _expect(attempt: Attempt, then: str | None) -> None:
    """Accepted, when `then` is None; otherwise refused for the reason `then`."""
    if then is None:
        assert attempt.verify().algorithm
        return
    with pytest.raises(TokenRefused) as caught:
        attempt.verify()
    assert caught.value.code == then
