"""Tokens of wrong structure or version: the rows AuthTokenStructureTest and AuthTokenVersion* and more (V1 to V3)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mykey_core.authentication.errors import TokenRefused
from mykey_core.authentication.verifier import TokenVerifier
from mykey_core.trust.store import TrustStore

# (catalogue row, what replaces the whole token text, code, the check that alone stops it)
WHOLE = [
    ("NullToken", lambda _: None, "token_not_text", None),
    ("NullStrToken", lambda _: "null".ljust(100), "token_not_an_object", None),
    ("TokenTooShort", lambda _: "{}", "token_too_short", None),
    ("TokenEmpty", lambda _: "", "token_too_short", None),
    ("TokenTooLong", lambda text: text.ljust(10_001), "token_too_long", "token.check_length"),
    ("TokenIsArray", lambda text: f"[{text}]", "token_not_an_object", None),
    ("TokenIsString", json.dumps, "token_not_an_object", None),
    ("TwoObjects", lambda text: text + text, "token_not_json", None),
    ("TextAfterObject", lambda text: text + "x", "token_not_json", None),
    ("TrailingComma", lambda text: text[:-1] + ",}", "token_not_json", None),
    ("SingleQuotes", lambda text: text.replace('"', "'"), "token_not_json", None),
    ("ByteOrderMark", lambda text: "\ufeff" + text, "token_encoding", None),
    ("ByteOrderMarkInBytes", lambda text: b"\xef\xbb\xbf" + text.encode(), "token_encoding", None),
    ("NotUtf8", lambda text: text.encode("utf-16"), "token_encoding", None),
    ("OverlongUtf8", lambda text: text.encode()[:-1] + b',"x":"\xc0\xaf"}', "token_encoding", None),
    (
        "DuplicateMember",
        lambda text: text[:-1] + ',"algorithm":"RS256"}',
        "token_member_twice",
        "strict_json.check_no_member_twice",
    ),
    (
        "DuplicateMemberInside",
        lambda text: text[:-1] + ',"unknown":{"a":1,"a":2}}',
        "token_member_twice",
        "strict_json.check_no_member_twice",
    ),
    (
        "NestedTooDeep",
        lambda text: text[:-1] + ',"unknown":' + "[" * 17 + "]" * 17 + "}",
        "token_nested_too_deep",
        "strict_json.check_depth",
    ),
    ("NestedWithoutEnd", lambda text: text[:-1] + ',"x":' + "[" * 7000, "token_nested_too_deep", None),
    ("NotANumber", lambda text: text[:-1] + ',"x":NaN}', "token_not_json", "strict_json.check_constant"),
    ("Infinity", lambda text: text[:-1] + ',"x":-Infinity}', "token_not_json", "strict_json.check_constant"),
    ("ControlCharacter", lambda text: text[:-1] + ',"x":"\n"}', "token_not_json", None),
    ("NumberWithoutEnd", lambda text: text[:-1] + ',"x":' + "9" * 5000 + "}", "token_not_json", None),
]

# (catalogue row, changed members (... removes one), code, the check that alone stops it)
MEMBERS = [
    ("CertificateMissing", {"unverifiedCertificate": ...}, "token_member_missing", None),
    ("CertificateEmpty", {"unverifiedCertificate": ""}, "token_member_type", None),
    ("CertificateArray", {"unverifiedCertificate": ["a"]}, "token_member_type", None),
    ("CertificateNumber", {"unverifiedCertificate": 1234}, "token_member_type", None),
    ("CertificateNull", {"unverifiedCertificate": None}, "token_member_type", None),
    ("SignatureMissing", {"signature": ...}, "token_member_missing", None),
    ("SignatureObject", {"signature": {}}, "token_member_type", None),
    ("AlgorithmMissing", {"algorithm": ...}, "token_member_missing", None),
    ("FormatMissing", {"format": ...}, "token_member_missing", None),
    ("FormatNumber", {"format": 1.0}, "token_member_type", None),
    ("MemberNameOtherCase", {"format": ..., "Format": "web-eid:1.0"}, "token_member_missing", None),
    ("UnknownTokenVersion", {"format": "web-eid:2.0"}, "token_version", "token.check_format"),
    ("VersionZero", {"format": "web-eid:0.9"}, "token_version", "token.check_format"),
    ("VersionTen", {"format": "web-eid:10"}, "token_version", "token.check_format"),
    ("VersionNoNumber", {"format": "web-eid:1.x"}, "token_format", "token.check_format"),
    ("VersionLeadingZero", {"format": "web-eid:01.0"}, "token_format", "token.check_format"),
    ("VersionArabicDigit", {"format": "web-eid:\u0661.0"}, "token_format", "token.check_format"),
    ("VersionThreeParts", {"format": "web-eid:1.0.0"}, "token_format", "token.check_format"),
    ("VersionLineBreak", {"format": "web-eid:1.0\n"}, "token_format", "token.check_format"),
    ("OtherType", {"format": "web-ied:1.0"}, "token_format", "token.check_format"),
    ("TypeOtherCase", {"format": "Web-eID:1.0"}, "token_format", "token.check_format"),
    ("NoColon", {"format": "web-eid1.0"}, "token_format", "token.check_format"),
]


@pytest.mark.parametrize(("spoil", "code", "guard"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE])
def test_text_is_refused(world: Any, refused: Any, spoil: Any, code: str, guard: str | None) -> None:
    """The whole text is not one strict JSON object of the allowed size (V1)."""
    good = world.attempt()
    refused(world.attempt(token=spoil(good.token)), code, guard)


def test_byte_order_mark_has_its_own_reason(world: Any, refused: Any) -> None:
    """With its check off the mark would still be no JSON to the parser; two checks stop it."""
    attempt = world.attempt(token="\ufeff" + world.attempt().token)
    refused(attempt, "token_encoding", "token.check_no_byte_order_mark", then="token_not_json")


@pytest.mark.parametrize(("spoil", "code", "guard"), [row[1:] for row in MEMBERS], ids=[row[0] for row in MEMBERS])
def test_member_is_refused(world: Any, refused: Any, spoil: Any, code: str, guard: str | None) -> None:
    """A member is missing, of another type, or of another version (V1, V2)."""
    refused(world.attempt(spoil=spoil), code, guard)


@pytest.mark.parametrize("version", ["web-eid:1", "web-eid:1.0", "web-eid:1.2", "web-eid:1.37"])
def test_minor_version_is_compatible(world: Any, version: str) -> None:
    """AuthTokenVersion: a minor version is backwards compatible."""
    assert world.attempt(spoil={"format": version}).verify()


def test_limits_of_length_are_accepted(world: Any) -> None:
    """10,000 characters are accepted; one more is not (TokenTooLong)."""
    assert world.attempt(token=world.attempt().token.ljust(10_000)).verify()


def test_unknown_members_are_ignored(world: Any) -> None:
    """Claims that a client adds are neither read nor a reason to refuse; brackets in strings are no nesting."""
    more = {"appVersion": "https://web-eid.eu/app/2.5", "sub": "somebody else", "x": {"y": ["["] * 30}}
    assert world.attempt(spoil=more).verify()


def test_token_of_bytes_is_read_as_utf8(world: Any) -> None:
    """The text may come as the bytes that were posted."""
    assert world.attempt(token=world.attempt().token.encode()).verify()


def _with_stray_bits(text: str) -> str:
    """Another spelling of the same bytes: the unused bits of the last character before the padding are set."""
    assert text.endswith("=")
    body = text.rstrip("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return body[:-1] + alphabet[alphabet.index(body[-1]) | 1] + "=" * (len(text) - len(body))


SPELLINGS = [
    ("LineBreak", lambda text: text[:76] + "\n" + text[76:]),
    ("Blank", lambda text: text + " "),
    ("UrlAlphabet", lambda text: text.replace("+", "-").replace("/", "_")),
    ("ForeignCharacter", lambda text: text[:40] + "!" + text[40:]),
    ("Unpadded", lambda text: text.rstrip("=")),
    ("PaddedTwice", lambda text: text.rstrip("=") + "===="),
    ("TextAfterPadding", lambda text: text + "AAAA"),
    ("NonAscii", lambda text: "\u0410" + text[1:]),
    ("StrayBits", _with_stray_bits),
]


@pytest.mark.parametrize("member", ["unverifiedCertificate", "signature"])
@pytest.mark.parametrize("spell", [row[1] for row in SPELLINGS], ids=[row[0] for row in SPELLINGS])
def test_base64_has_one_spelling(world: Any, refused: Any, spell: Any, member: str) -> None:
    """NotBase64, oversized base64: standard alphabet, padded, canonical; nothing is skipped (V3)."""
    card = next(card for serial in range(1, 9) if len(card := world.card(serial=1 << 8 * serial)) % 3)
    members = world.members(card)
    text = members[member]
    refused(world.attempt(card, spoil={member: spell(text)}), "token_base64")


@pytest.mark.parametrize("name", ["LineBreak", "ForeignCharacter", "StrayBits"])
def test_base64_spelling_is_stopped_by_one_check(world: Any, refused: Any, name: str) -> None:
    """What Python's decoder lets through is stopped by the comparison with the canonical spelling alone."""
    spell = dict(SPELLINGS)[name]
    text = world.members()["signature"]
    refused(world.attempt(spoil={"signature": spell(text)}), "token_base64", "base64_text.check_canonical")


def _verify_members(world: Any, members: dict[str, Any]) -> Any:
    """As the API does it: the token is an object within a body that was read once."""
    store = TrustStore([world.ca()])
    verifier = TokenVerifier(trust=store, revocation=world.Revocation(), origin=world.origin)
    return verifier.verify_members(members, world.nonce, world.now)


def test_token_within_a_body_is_read_by_the_same_rules(world: Any) -> None:
    """A token that comes as an object: accepted when good, and each rule of its members holds."""
    good = world.members()
    assert _verify_members(world, good)
    for spoil, code in (
        ({"algorithm": "none"}, "algorithm_unknown"),
        ({"signature": good["signature"] + "\n"}, "token_base64"),
        ({"format": "web-eid:2.0"}, "token_version"),
        ({"unverifiedCertificate": ["a"]}, "token_member_type"),
    ):
        with pytest.raises(TokenRefused, match=code):
            _verify_members(world, good | spoil)


@pytest.mark.parametrize(
    ("more", "code"),
    [({"x": "y" * 10_000}, "token_too_long"), ({"x": [["y" * 5_000] * 2]}, "token_too_long")],
)
def test_token_within_a_body_has_the_same_limits(
    world: Any, switch_off: Callable[[str], None], more: dict[str, Any], code: str
) -> None:
    """TokenTooLong and TokenTooShort for a token that comes as an object; only this check stops them."""
    with pytest.raises(TokenRefused, match="token_too_short"):
        _verify_members(world, {"format": "web-eid:1.0"})
    with pytest.raises(TokenRefused, match=code):
        _verify_members(world, world.members() | more)
    switch_off("token.check_members_length")
    assert _verify_members(world, world.members() | more)
