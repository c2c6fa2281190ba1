"""Which signature algorithms the general path accepts, and how a DSA key gets parameters that it inherits.

An allow-list, never a deny-list: what is not named here is refused. Path processing itself is in `general_path`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from asn1crypto import algos, keys, x509
from pyhanko_certvalidator.policy_decl import AlgorithmUsageConstraint, AlgorithmUsagePolicy
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_VALIDATION_CONTEXT,
    DefaultSignatureValidator,
    SignatureValidationContext,
)

_STRONG_HASHES = frozenset({"sha256", "sha384", "sha512"})
_STRONG_SIGNATURES = frozenset({"rsassa_pkcs1v15", "rsassa_pss", "ecdsa"})
_SMALLEST_RSA_BITS = 2048
_SMALLEST_DSA_BITS = 1024


class AlgorithmProfile(StrEnum):
    """How old the cryptography of a hierarchy may be.

    STRICT: RSA of at least 2048 bits or ECDSA, with SHA-256, SHA-384 or SHA-512 (authentication-hub V6, V7).
    COMPATIBLE: also DSA of at least 1024 bits with SHA-1 or SHA-2, which three tests of NIST PKITS use (4.1.4 to
    4.1.6). SHA-1 with RSA, MD5 and MD2 are refused in both.
    """

    STRICT = "strict"
    COMPATIBLE = "compatible"


class AllowListedAlgorithms(AlgorithmUsagePolicy):
    """The allow-list of a profile; `weak` collects what COMPATIBLE let pass and STRICT would have refused."""

    def __init__(self, profile: AlgorithmProfile) -> None:
        self._profile = profile
        self.weak: set[str] = set()

    def digest_algorithm_allowed(
        self,
        algo: algos.DigestAlgorithm,
        moment: datetime | None,  # noqa: ARG002 - the library's signature; our list does not depend on time
    ) -> AlgorithmUsageConstraint:
        """Whether a bare digest (as in a CMS) may be used: SHA-2 only, in every profile."""
        name = algo["algorithm"].native
        return AlgorithmUsageConstraint(name in _STRONG_HASHES, failure_reason=f"digest {name} is not allowed")

    def signature_algorithm_allowed(
        self,
        algo: algos.SignedDigestAlgorithm,
        moment: datetime | None,  # noqa: ARG002 - the library's signature; our list does not depend on time
        public_key: keys.PublicKeyInfo | None,
    ) -> AlgorithmUsageConstraint:
        """Whether a signature with `algo` by `public_key` may be used."""
        name = algo["algorithm"].native
        try:
            signature, digest = algo.signature_algo, algo.hash_algo
        except ValueError:  # an algorithm without a digest of its own, or one that the library does not know
            return AlgorithmUsageConstraint(allowed=False, failure_reason=f"{name} is not allowed")
        if signature in _STRONG_SIGNATURES:
            return self._strong(signature, digest, public_key)
        if signature == "dsa" and self._profile is AlgorithmProfile.COMPATIBLE:
            return self._dsa(digest, public_key)
        return AlgorithmUsageConstraint(allowed=False, failure_reason=f"{name} is not allowed")

    def _strong(self, signature: str, digest: str, public_key: keys.PublicKeyInfo | None) -> AlgorithmUsageConstraint:
        if digest not in _STRONG_HASHES:
            return AlgorithmUsageConstraint(allowed=False, failure_reason=f"digest {digest} is not allowed")
        if public_key is not None and signature != "ecdsa" and public_key.bit_size < _SMALLEST_RSA_BITS:
            return AlgorithmUsageConstraint(allowed=False, failure_reason="RSA key of less than 2048 bits")
        return AlgorithmUsageConstraint(allowed=True)

    def _dsa(self, digest: str, public_key: keys.PublicKeyInfo | None) -> AlgorithmUsageConstraint:
        if digest not in _STRONG_HASHES | {"sha1"}:
            return AlgorithmUsageConstraint(allowed=False, failure_reason=f"digest {digest} is not allowed")
        # A key that inherits its parameters does not say its length; the key that it inherits from did.
        parameters = public_key["algorithm"]["parameters"].native if public_key is not None else None
        if parameters is not None and parameters["p"].bit_length() < _SMALLEST_DSA_BITS:
            return AlgorithmUsageConstraint(allowed=False, failure_reason="DSA key of less than 1024 bits")
        self.weak.add(f"dsa-{digest}")
        return AlgorithmUsageConstraint(allowed=True)


class InheritedDsaParameters(DefaultSignatureValidator):
    """Verifies signatures, and finds the parameters of a DSA key that leaves them to its issuer (RFC 3279 2.3.2).

    The library follows inheritance along the path, but not for the signature of a CRL (PKITS 4.1.5). Parameters are
    taken only when all offered issuers of that key agree on them; otherwise the signature stays unverified.
    """

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        self._certificates = tuple(certificates)

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: keys.PublicKeyInfo,
        signature_algorithm: algos.SignedDigestAlgorithm,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        """Verify, or raise `cryptography.exceptions.InvalidSignature`."""
        key = self._with_parameters(public_key_info)
        super().validate_signature(signature, signed_data, key, signature_algorithm, context)

    def _with_parameters(self, key: keys.PublicKeyInfo) -> keys.PublicKeyInfo:
        if not _inherits(key):
            return key
        found = {
            issuer.public_key["algorithm"]["parameters"].dump(): issuer.public_key
            for holder in self._certificates
            if _key_bits(holder.public_key) == _key_bits(key)
            for issuer in self._certificates
            if issuer.subject == holder.issuer and issuer.public_key.algorithm == "dsa" and issuer != holder
        }
        if len(found) != 1:
            return key
        completed = key.copy()
        completed["algorithm"] = next(iter(found.values()))["algorithm"].copy()
        return completed


def _inherits(key: keys.PublicKeyInfo) -> bool:
    return key.algorithm == "dsa" and key["algorithm"]["parameters"].native is None


def _key_bits(key: keys.PublicKeyInfo) -> bytes:
    return bytes(key["public_key"].dump())
