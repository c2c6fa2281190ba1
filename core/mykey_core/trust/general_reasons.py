"""The stable reason codes of the general path, made from pyhanko-certvalidator's errors.

Types come first; where the library has one type for many faults, a phrase of its message decides, and a test over
NIST PKITS fails when a phrase no longer fits. The library's own sentence is never shown: it can hold names.
"""

from __future__ import annotations

from typing import Final

from pyhanko_certvalidator import errors

_BY_TYPE: Final[tuple[tuple[type[Exception], str], ...]] = (
    (errors.RevokedError, "revoked"),
    (errors.ExpiredError, "expired"),
    (errors.NotYetValidError, "not_yet_valid"),
    (errors.StaleRevinfoError, "crl_stale"),
    (errors.DisallowedAlgorithmError, "algorithm"),
    (errors.PathBuildingError, "no_path"),
)
_BY_PHRASE: Final[tuple[tuple[str, str], ...]] = (
    ("CRL signature could not be verified", "crl_signature"),
    ("no revocation information could be found", "no_revocation_information"),
    ("unrecognized critical extensions", "crl_critical_extension"),
    ("CRL issuer certificate path", "crl_signer_path"),
    ("not authorized to sign CRLs", "crl_sign"),
    ("CRL only contains", "crl_scope"),
    ("do not cover all revocation reasons", "crl_scope"),
    ("signature of", "signature"),
    ("signature parameters", "signature"),
    ("is not a CA", "not_a_ca"),
    ("exceeds the maximum path length", "path_length"),
    ("not allowed to sign certificates", "key_cert_sign"),
    ("policy mapping for the", "policy_mapping"),
    ("set of policies", "policy"),
    ("policy graph", "policy"),
    ("namespace", "name_constraints"),
    ("unsupported critical extension", "unknown_critical_extension"),
    ("could not be matched", "name_chaining"),
    ("self-signed", "no_path"),
)
HELD: Final = "held"
UNDETERMINED_REVOCATION: Final = "revocation_undetermined"
OTHER: Final = "path_invalid"
NO_INFORMATION: Final = frozenset(("no_revocation_information", UNDETERMINED_REVOCATION))


def reason_of(error: errors.ValidationError | errors.PathError) -> str:
    """The code of a refusal, such as `revoked`, `policy` or `crl_stale`; `path_invalid` when nothing fits."""
    if isinstance(error, errors.RevokedError) and error.reason.native == "certificate_hold":
        return HELD
    for kind, code in _BY_TYPE:
        if isinstance(error, kind):
            return code
    message = str(error)
    for phrase, code in _BY_PHRASE:
        if phrase in message:
            return code
    return UNDETERMINED_REVOCATION if isinstance(error, errors.InsufficientRevinfoError) else OTHER


def place_of(error: Exception) -> str:
    """Where in the path it failed: `certificate`, `intermediate` or, when the library does not say, nothing."""
    if not isinstance(error, errors.PathValidationError):
        return ""
    return "certificate" if error.is_ee_cert else "intermediate"
