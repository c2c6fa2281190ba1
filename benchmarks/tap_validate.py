"""P1: validating certificate, token signature and revocation, against the floor of a parse and two RSA verifications.

Importable parts for the other benchmarks, and a program that prints the table. Floor, peer and ours take turns over
the same 3,000 distinct certificates in one run; medians of the rounds are quoted (`performance.md` sections 6 and 7).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pyhanko_certvalidator import CertificateValidator, ValidationContext

from mykey_cardap.emulator import keystore, personas
from mykey_cardap.emulator.jpki.authority import EmulatedJpki
from mykey_cardap.kinds import CertificateKind
from mykey_core.authentication import token as tokens
from mykey_core.authentication.nonce import new_nonce
from mykey_core.authentication.verifier import TokenVerifier
from mykey_core.trust.revocation import CrlBytesSource
from mykey_core.trust.store import TrustStore

PEER = "pyhanko-certvalidator"
COUNT = 3_000
ROUNDS = 7
TURN = 100  # cases before the next contender: a disturbance of the machine then hits all alike
PEER_SAMPLE = 60  # the peer is some twenty times slower; its cost a certificate does not depend on the number
ORIGIN = "https://hub.city.example.jp"
KIND = CertificateKind.AUTHENTICATION
PKCS1V15 = padding.PKCS1v15()
SHA256 = hashes.SHA256()


@dataclass(frozen=True, slots=True)
class Case:
    """One card at one tap: what arrives, and the message that its signature is over."""

    der: bytes
    text: str
    token: tokens.AuthenticationToken
    nonce: str
    signature: bytes
    message: bytes


@dataclass(frozen=True, slots=True)
class Material:
    """The cases, their one CA, a verifier with that CA and its CRL, and the instant of the taps."""

    cases: list[Case]
    ca: x509.Certificate
    store: TrustStore
    revocation: CrlBytesSource
    now: datetime

    def verifier(self) -> TokenVerifier:
        """A fresh verifier: nothing in its cache."""
        return TokenVerifier(trust=self.store, revocation=self.revocation, origin=ORIGIN)


def make_material(count: int = COUNT) -> Material:
    """`count` distinct certificates of the emulator's JPKI, each with a signed token for its own nonce."""
    jpki = EmulatedJpki(date(2026, 11, 1))
    persona = jpki.persona("adult")
    keys = [keystore.rsa_key(name) for name in keystore.names() if name.startswith("persona/") and _is_rsa(name)]
    now = datetime(2026, 11, 1, 3, tzinfo=UTC)
    cases = [_case(jpki, persona, keys[number % len(keys)], 1_000_000 + number) for number in range(count)]
    ca = jpki.ca_certificate(KIND, 3)
    store = TrustStore.from_pem(ca.public_bytes(serialization.Encoding.PEM), allow_emulated=True)
    crl = jpki.crl(
        KIND,
        3,
        jpki.distribution_point(persona.municipality.code),
        revoked=jpki.revoked_serials(KIND, 3, persona.municipality.code),
        this_update=now - timedelta(hours=1),
        next_update=now + timedelta(days=1),
        number=1,
    )
    return Material(cases, ca, store, CrlBytesSource([crl], store.issuers(KIND)), now)


def _is_rsa(name: str) -> bool:
    return isinstance(keystore.key(name), rsa.RSAPrivateKey)


def _case(jpki: EmulatedJpki, persona: personas.Persona, key: rsa.RSAPrivateKey, serial: int) -> Case:
    certificate = jpki.issue(
        KIND,
        key.public_key(),
        holder=persona.holder,
        municipality=persona.municipality,
        serial=serial,
        common_name=f"{serial:023d}",
        issued=persona.issued,
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    nonce = new_nonce()
    message = hashlib.sha256(ORIGIN.encode()).digest() + hashlib.sha256(nonce.encode()).digest()
    signature = key.sign(message, PKCS1V15, SHA256)
    members = {
        "unverifiedCertificate": base64.b64encode(der).decode(),
        "algorithm": "RS256",
        "signature": base64.b64encode(signature).decode(),
        "format": "web-eid:1.0",
    }
    text = json.dumps(members)
    return Case(der, text, tokens.parse(text), nonce, signature, message)


def floor_validate(case: Case, ca_key: rsa.RSAPublicKey) -> None:
    """FLOOR-C: parse the certificate and verify two RSA signatures."""
    certificate = x509.load_der_x509_certificate(case.der)
    ca_key.verify(certificate.signature, certificate.tbs_certificate_bytes, PKCS1V15, SHA256)
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(case.signature, case.message, PKCS1V15, SHA256)


def peer_validate(case: Case, material: Material, anchor: asn1_x509.Certificate) -> None:
    """pyhanko-certvalidator on the same path without revocation; the token's signature is not part of it."""
    context = ValidationContext(
        trust_roots=[anchor], moment=material.now, allow_fetching=False, revocation_mode="soft-fail"
    )
    validator = CertificateValidator(asn1_x509.Certificate.load(case.der), validation_context=context)
    asyncio.run(validator.async_validate_usage({"digital_signature"}))


def measure(work: Callable[[Case], object], cases: Sequence[Case]) -> float:
    """Processor time in microseconds a case."""
    return measure_in_turns({"": work}, cases)[""]


def measure_in_turns(contenders: dict[str, Callable[[Case], object]], cases: Sequence[Case]) -> dict[str, float]:
    """Processor time of each contender in microseconds a case. They take turns every `TURN` cases."""
    spent = dict.fromkeys(contenders, 0.0)
    for start in range(0, len(cases), TURN):
        turn = cases[start : start + TURN]
        for name, work in contenders.items():
            begin = time.process_time()
            for case in turn:
                work(case)
            spent[name] += time.process_time() - begin
    return {name: seconds / len(cases) * 1e6 for name, seconds in spent.items()}


def run(material: Material, rounds: int = ROUNDS, *, peer: bool = True) -> dict[str, float]:
    """Median microseconds a case of each contender, taken in turns."""
    ca_key = material.ca.public_key()
    assert isinstance(ca_key, rsa.RSAPublicKey)
    anchor = asn1_x509.Certificate.load(material.ca.public_bytes(serialization.Encoding.DER))
    warm = TokenVerifier(trust=material.store, revocation=material.revocation, origin=ORIGIN)
    samples: dict[str, list[float]] = {}
    for _ in range(rounds):
        cold, cold_text = material.verifier(), material.verifier()
        contenders: dict[str, Callable[[Case], object]] = {
            "FLOOR-C": lambda case: floor_validate(case, ca_key),
            "ours": lambda case, verifier=cold: verifier.verify_parsed(case.token, case.nonce, material.now),
            "ours, from text": lambda case, verifier=cold_text: verifier.verify(case.text, case.nonce, material.now),
            "ours, seen before": lambda case: warm.verify_parsed(case.token, case.nonce, material.now),
            "ours, seen before, from text": lambda case: warm.verify(case.text, case.nonce, material.now),
        }
        costs = measure_in_turns(contenders, material.cases)
        if peer:
            few = material.cases[:PEER_SAMPLE]
            costs[PEER] = measure(lambda case: peer_validate(case, material, anchor), few)
        for name, cost in costs.items():
            samples.setdefault(name, []).append(cost)
    return {name: statistics.median(values[1:] or values) for name, values in samples.items()}


TARGETS = {"ours": "<= 1.50", "ours, seen before": "<= 0.60", PEER: ">= 12 x ours"}


def table(result: dict[str, float]) -> str:
    """The result as lines of text: microseconds and the ratio to the floor."""
    floor = result["FLOOR-C"]
    lines = [f"{'P1, processor time a certificate':<34}{'us':>9}{'/ FLOOR-C':>11}  target"]
    lines += [
        f"{name:<34}{value:>9.1f}{value / floor:>11.2f}  {TARGETS.get(name, '')}".rstrip()
        for name, value in result.items()
    ]
    if PEER in result:
        lines.append(f"pyhanko-certvalidator / ours: {result['pyhanko-certvalidator'] / result['ours']:.1f}")
    return "\n".join(lines)


def main() -> int:
    """Print the table for 3,000 distinct certificates."""
    print(table(run(make_material())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
