"""A town made by OpenSSL alone: its CA, card, CRL and signatures, judged by `mykey auth verify-batch`.

Nothing that our own code or `cryptography` built is in these tokens, so that the two cannot share a mistake.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mykey_cardap.emulator import keystore
from mykey_core.authentication.batch import BatchVerifier
from mykey_core.authentication.nonce import new_nonce

ORIGIN = "https://hub.city.example.jp"
CONFIG = """
[ca]
default_ca = town
[town]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 2
policy = anything
x509_extensions = card
crl_extensions = crl
unique_subject = no
[anything]
commonName = supplied
countryName = optional
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[card]
keyUsage = critical, digitalSignature
certificatePolicies = critical, 1.2.392.200149.8.5.1.3.30
authorityKeyIdentifier = keyid:always, issuer:always
subjectKeyIdentifier = hash
crlDistributionPoints = point
[point]
fullname = dirName:town_name
[town_name]
C = JP
OU = CRL Distribution Points
CN = Kiyose-shi CRLDP
[crl]
authorityKeyIdentifier = keyid:always
issuingDistributionPoint = critical, @partition
[partition]
fullname = dirName:town_name
"""
CURVES = {"ES256": ("P-256", 32), "ES384": ("P-384", 48), "ES512": ("P-521", 66)}
SALT = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")


class Town:
    """A directory in which `openssl ca` works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in (("openssl.cnf", CONFIG), ("index.txt", ""), ("serial", "0712AB\n"), ("crlnumber", "01\n")):
            (folder / name).write_text(text, encoding="ascii")
        self.key("ca.key", "RS256")
        self.run("req", "-x509", "-new", "-key", "ca.key", "-subj", "/C=JP/O=Some town/CN=Test CA", "-days", "60",
                 "-extensions", "authority", "-config", "openssl.cnf", "-out", "ca.pem")  # fmt: skip

    def run(self, *arguments: str) -> None:
        """Run one OpenSSL command in the directory."""
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def key(self, file: str, algorithm: str) -> None:
        """Make a key that fits the algorithm; RSA keys are those of the emulator, because making one takes long."""
        if algorithm in CURVES:
            self.run(
                "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{CURVES[algorithm][0]}", "-out", file
            )
            return
        name = "ca/authentication/3" if file == "ca.key" else "persona/adult/authentication"
        pem = keystore.key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / file).write_bytes(pem)

    def card(self, algorithm: str) -> str:
        """Issue a card whose key fits the algorithm; returns the stem of its files."""
        stem = f"card-{algorithm}"
        self.key(f"{stem}.key", algorithm)
        self.run("req", "-new", "-key", f"{stem}.key", "-subj", "/C=JP/CN=997794E9AGCIEG13221003A",
                 "-config", "openssl.cnf", "-out", f"{stem}.csr")  # fmt: skip
        self.run("ca", "-batch", "-config", "openssl.cnf", "-in", f"{stem}.csr", "-out", f"{stem}.pem", "-notext")
        self.run("x509", "-in", f"{stem}.pem", "-outform", "DER", "-out", f"{stem}.der")
        return stem

    def crl(self) -> str:
        """Issue the CRL anew, in base64."""
        self.run("ca", "-gencrl", "-config", "openssl.cnf", "-out", "crl.pem")
        self.run("crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der")
        return base64.b64encode((self.folder / "crl.der").read_bytes()).decode()

    def sign(self, stem: str, algorithm: str, message: bytes) -> bytes:
        """Sign in the encoding of RFC 7518."""
        (self.folder / "message").write_bytes(message)
        options = SALT if algorithm.startswith("PS") else ()
        self.run("dgst", f"-sha{algorithm[2:]}", *options, "-sign", f"{stem}.key", "-out", "signature", "message")
        signature = (self.folder / "signature").read_bytes()
        if algorithm not in CURVES:
            return signature
        return b"".join(number.to_bytes(CURVES[algorithm][1]) for number in decode_dss_signature(signature))

    def line(self, stem: str, algorithm: str, crl: str) -> bytes:
        """A line for `verify-batch`, with the present moment as its clock (OpenSSL dates by it)."""
        nonce, now = new_nonce(), datetime.now(UTC) + timedelta(seconds=2)
        digest = getattr(hashlib, f"sha{algorithm[2:]}")
        message = digest(ORIGIN.encode()).digest() + digest(nonce.encode()).digest()
        token = {
            "unverifiedCertificate": base64.b64encode((self.folder / f"{stem}.der").read_bytes()).decode(),
            "algorithm": algorithm,
            "signature": base64.b64encode(self.sign(stem, algorithm, message)).decode(),
            "format": "web-eid:1.0",
        }
        members = {
            "id": stem,
            "token": json.dumps(token),
            "origin": ORIGIN,
            "nonce": nonce,
            "nonce_issued_at": now.isoformat(),
            "now": now.isoformat(),
            "ca_pem": [(self.folder / "ca.pem").read_text(encoding="ascii")],
            "crl_der_b64": [crl],
        }
        return json.dumps(members).encode()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """One town for the module."""
    return Town(tmp_path_factory.mktemp("town"))


@pytest.mark.xdist_group("openssl-town")
@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "ES384", "ES512"])
def test_openssl_is_accepted_until_openssl_revokes(town: Town, algorithm: str) -> None:
    """A card of OpenSSL's town logs in; on the CRL with a hold it is held, with a revocation revoked."""
    stem, verifier = town.card(algorithm), BatchVerifier()
    reasons = [verifier.answer(town.line(stem, algorithm, town.crl())).reason]
    town.run("ca", "-config", "openssl.cnf", "-revoke", f"{stem}.pem", "-crl_hold", "holdInstructionReject")
    reasons.append(verifier.answer(town.line(stem, algorithm, town.crl())).reason)
    assert reasons == ["accepted", "certificate_held"]


@pytest.mark.xdist_group("openssl-town")
def test_openssl_revokes_for_good(town: Town) -> None:
    """KeyCompromise on OpenSSL's CRL."""
    stem = town.card("ES384")
    town.run("ca", "-config", "openssl.cnf", "-revoke", f"{stem}.pem", "-crl_reason", "keyCompromise")
    assert BatchVerifier().answer(town.line(stem, "ES384", town.crl())).reason == "certificate_revoked"
