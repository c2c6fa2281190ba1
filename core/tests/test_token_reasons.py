"""Every code of a refusal: unique, of one form, filed under one check, and in use."""

from __future__ import annotations

import re
from pathlib import Path

import mykey_core
from mykey_core.authentication.reasons import ALL_REASONS, TokenReason, check_of
from mykey_core.trust.errors import CertificateReason
from mykey_core.trust.types import Check


def test_codes_are_unique_and_machine_readable() -> None:
    """Lower-case words joined by underscores, none twice between token and certificate."""
    assert len(set(ALL_REASONS)) == len(ALL_REASONS) == len(TokenReason) + len(CertificateReason)
    assert all(re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", code) for code in ALL_REASONS)


def test_each_code_belongs_to_the_check_that_its_name_says() -> None:
    """The category is what the evidence shows as the check that failed."""
    assert check_of(TokenReason.BASE64) is Check.TOKEN_SHAPE
    assert check_of(TokenReason.ALGORITHM_KEY) is Check.TOKEN_SIGNATURE
    assert check_of(TokenReason.SIGNATURE_LENGTH) is Check.TOKEN_SIGNATURE
    assert check_of(TokenReason.SIGNING_CERTIFICATE_MALFORMED) is Check.TOKEN_SHAPE
    assert check_of(TokenReason.SIGNING_SUBJECT) is Check.PATH
    assert check_of(TokenReason.HELD) is Check.REVOCATION
    assert check_of(TokenReason.NONCE_USED) is Check.NONCE


def test_every_code_is_raised_somewhere() -> None:
    """No code is left over: each member of the two enums is used in the code of the core."""
    core = Path(mykey_core.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in core.rglob("*.py"))
    for enum in (TokenReason, CertificateReason):
        unused = [member.name for member in enum if f"{enum.__name__}.{member.name}" not in text]
        assert not unused
