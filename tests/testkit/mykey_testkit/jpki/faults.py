"""Everything that the test JPKI can be told to do wrong, by name. How each is done is beside what it breaks."""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class Fault(StrEnum):
    """A fault on demand; the first word says where it works.

    `http-` faults break the transport of any answer, `crl-` faults the CRL or delta, `ocsp-` faults the OCSP answer.
    """

    HTTP_SLOW = "http-slow"
    """Waits `seconds` before the answer."""
    HTTP_BYTEWISE = "http-bytewise"
    """Sends the body byte by byte, `seconds` apart."""
    HTTP_CUT = "http-cut"
    """Announces the whole body, sends half and closes."""
    HTTP_ENDLESS = "http-endless"
    """Sends a body without end."""
    HTTP_GZIP_BOMB = "http-gzip-bomb"
    """A small gzip body that unpacks to a gigabyte."""
    HTTP_500 = "http-500"
    HTTP_404 = "http-404"
    HTTP_REDIRECT = "http-redirect"
    """Sends the client to another path of this service for ever."""
    HTTP_HTML = "http-html"
    """A page of text, as a captive portal sends it, with status 200."""

    CRL_STALE = "crl-stale"
    CRL_FROM_TOMORROW = "crl-from-tomorrow"
    CRL_ROLLBACK = "crl-rollback"
    """A genuine CRL of ten days ago with a long life: older number, older thisUpdate."""
    CRL_OTHER_TOWN = "crl-other-town"
    CRL_FORGED = "crl-forged"
    """Signed by a stranger's key in the name of the CA."""
    CRL_TRUNCATED = "crl-truncated"
    CRL_NO_NEXT_UPDATE = "crl-no-next-update"
    CRL_UNKNOWN_CRITICAL = "crl-unknown-critical"
    CRL_INDIRECT = "crl-indirect"
    CRL_ONLY_SOME_REASONS = "crl-only-some-reasons"
    CRL_ONLY_CA_CERTIFICATES = "crl-only-ca-certificates"
    CRL_EMPTY = "crl-empty"
    """No entry at all: valid, and a danger to nobody but who trusts it blindly."""
    CRL_UNSORTED = "crl-unsorted"
    """Valid: entries in falling order of the serial."""

    OCSP_TRY_LATER = "ocsp-try-later"
    OCSP_INTERNAL_ERROR = "ocsp-internal-error"
    OCSP_UNAUTHORIZED = "ocsp-unauthorized"
    OCSP_MALFORMED_REQUEST = "ocsp-malformed-request"
    OCSP_SIG_REQUIRED = "ocsp-sig-required"
    OCSP_WRONG_NONCE = "ocsp-wrong-nonce"
    OCSP_NO_NONCE = "ocsp-no-nonce"
    OCSP_FRACTIONAL_SECONDS = "ocsp-fractional-seconds"
    OCSP_OLD = "ocsp-old"
    """thisUpdate and nextUpdate an hour and half an hour ago."""
    OCSP_FROM_THE_FUTURE = "ocsp-from-the-future"
    OCSP_NEXT_BEFORE_THIS = "ocsp-next-before-this"
    OCSP_OTHER_CERTIFICATE = "ocsp-other-certificate"
    """A good answer about another serial."""
    OCSP_TWO_RESPONSES = "ocsp-two-responses"
    OCSP_UNKNOWN = "ocsp-unknown"
    OCSP_BAD_SIGNATURE = "ocsp-bad-signature"
    OCSP_FOREIGN_RESPONDER = "ocsp-foreign-responder"
    """Signed by a responder that a stranger's CA named."""
    OCSP_RESPONDER_WITHOUT_USAGE = "ocsp-responder-without-usage"
    """The responder's certificate lacks id-kp-OCSPSigning."""
    OCSP_RESPONDER_EXPIRED = "ocsp-responder-expired"

    @property
    def part(self) -> str:
        """`http`, `crl` or `ocsp`."""
        return self.value.split("-", 1)[0]
