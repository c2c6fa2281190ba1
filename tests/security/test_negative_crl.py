"""CRLs that must not be used, or not for this certificate (authentication-hub §6 CRL-*, CRL-ROLL, §7, §16).

Each refusal is shown twice: as it is, and with its one check switched off, when the same CRL gets through.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator import keystore
from mykey_cardap.emulator.jpki.authority import ca_key
from mykey_core.trust.errors import RevocationDataError, RevocationUnavailable
from mykey_core.trust.revocation import CrlBytesSource, answers, crl, store
from mykey_core.trust.revocation.answers import SnapshotSource
from mykey_core.trust.revocation.crl import VerifiedCrl, require_current, verify_crl
from mykey_core.trust.revocation.snapshot import build_snapshot
from mykey_core.trust.revocation.store import DirectoryStore, MemoryStore
from mykey_core.trust.types import RevocationMode, RevocationState, ValidatedCertificate
from mykey_testkit.revocation import (
    HOUR,
    JPKI,
    KIND,
    MOMENT,
    OTHER_TOWN,
    TOWN,
    ca_certificate,
    card,
    entry,
    issuers,
    make_crl,
    point_extension,
    reshape_crl,
)

SERIAL = card().serial_number
STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.392.200149.8.5.99"), b"\x05\x00")
HOLD, SUPERSEDED = x509.ReasonFlags.certificate_hold, x509.ReasonFlags.superseded
REMOVED = x509.ReasonFlags.remove_from_crl


def no_next_update(tbs: Any) -> None:
    """Take nextUpdate away."""
    tbs["next_update"] = None


def next_before_this(tbs: Any) -> None:
    """A CRL that ends before it begins."""
    tbs["next_update"] = asn1_x509.Time({"utc_time": MOMENT - 2 * HOUR})


def sha1_crl() -> bytes:
    """A CRL that is genuine but for its hash."""
    found = asn1_crl.CertificateList.load(make_crl())
    key = ca_key(KIND, 3)
    assert isinstance(key, rsa.RSAPrivateKey)
    for holder, member in ((found, "signature_algorithm"), (found["tbs_cert_list"], "signature")):
        holder[member] = {"algorithm": "sha1_rsa"}
    signed = found["tbs_cert_list"].dump(force=True)
    found["signature"] = key.sign(signed, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - what is refused
    return bytes(found.dump(force=True))


def unequal_algorithms() -> bytes:
    """A CRL that announces another algorithm than the one in its signed part, and is signed with the former."""
    found = asn1_crl.CertificateList.load(make_crl())
    key = ca_key(KIND, 3)
    assert isinstance(key, rsa.RSAPrivateKey)
    found["signature_algorithm"] = {"algorithm": "sha384_rsa"}
    found["signature"] = key.sign(found["tbs_cert_list"].dump(), padding.PKCS1v15(), hashes.SHA384())
    return bytes(found.dump(force=True))


def without_crl_sign() -> tuple[Any, ...]:
    """The pinned CA as it would be if its certificate did not allow cRLSign."""
    genuine = next(ca for ca in issuers() if ca.certificate == ca_certificate())
    builder = (
        x509.CertificateBuilder()
        .subject_name(genuine.certificate.subject)
        .issuer_name(genuine.certificate.subject)
        .public_key(genuine.certificate.public_key())
        .serial_number(1)
        .not_valid_before(MOMENT - HOUR)
        .not_valid_after(MOMENT + HOUR)
        .add_extension(
            x509.KeyUsage(False, False, False, False, False, True, False, False, False),
            critical=True,
        )
    )
    return (replace(genuine, certificate=builder.sign(ca_key(KIND, 3), hashes.SHA256())),)


@dataclass(frozen=True)
class Case:
    """A CRL, the code of its refusal, and the function that refuses; `off` stands in for that function."""

    make: Callable[[], bytes]
    code: str
    guard: str
    off: Callable[..., Any]
    pinned: Callable[[], tuple[Any, ...]] = issuers


def nothing(*_arguments: object) -> None:
    """A check that is switched off."""


def always(*_arguments: object) -> bool:
    """A check that is switched off and says yes."""
    return True


def home_point(_crl: object) -> tuple[bytes]:
    """The scope of the demo town, whatever the CRL says."""
    return (JPKI.distribution_point(TOWN, KIND).public_bytes(),)


def usual_times(_crl: object) -> tuple[datetime, datetime]:
    """The times of a sound CRL."""
    return MOMENT - HOUR, MOMENT + HOUR


def scoped(**flags: Any) -> Callable[[], bytes]:
    """A CRL with these flags in its distribution point."""
    return lambda: make_crl(point=point_extension(**flags))


CASES = {
    "CRL-unsigned-by-the-ca": Case(
        lambda: make_crl(key=keystore.key(f"ca/{KIND}/forged"), key_identifier_of=3),
        "crl_signature",
        "_is_signed_by",
        always,
    ),
    "CRL-other-generation's-key": Case(
        lambda: make_crl(key=ca_key(KIND, 2), key_identifier_of=3), "crl_signature", "_is_signed_by", always
    ),
    "CRL-sha1": Case(sha1_crl, "crl_algorithm", "_require_algorithm", nothing),
    "CRL-without-crlSign": Case(make_crl, "crl_issuer_usage", "_require_crl_sign", nothing, pinned=without_crl_sign),
    "CRL-without-nextUpdate": Case(
        lambda: reshape_crl(make_crl(), no_next_update), "crl_no_next_update", "_times", usual_times
    ),
    "CRL-nextUpdate-before-thisUpdate": Case(
        lambda: reshape_crl(make_crl(), next_before_this), "crl_times", "_times", usual_times
    ),
    "CRL-unknown-critical-extension": Case(
        lambda: make_crl(more=[(STRANGE, True)]), "crl_critical_extension", "_refuse_unknown_critical", nothing
    ),
    "CRL-only-ca-certificates": Case(scoped(only_contains_ca_certs=True), "crl_scope", "crl_points", home_point),
    "CRL-only-attribute-certificates": Case(
        scoped(only_contains_attribute_certs=True), "crl_scope", "crl_points", home_point
    ),
    "CRL-only-some-reasons": Case(
        scoped(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})), "crl_scope", "crl_points", home_point
    ),
    "CRL-indirect": Case(scoped(indirect_crl=True), "crl_scope", "crl_points", home_point),
    "CRL-point-of-another-kind": Case(
        scoped(full_name=[x509.DNSName("crl.example")]), "crl_scope", "crl_points", home_point
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_crl_that_must_not_be_used_is_refused_and_only_its_check_stops_it(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal has its code; with that one check off the very same CRL would be taken."""
    data = case.make()
    with pytest.raises(RevocationDataError) as caught:
        verify_crl(data, case.pinned())
    assert caught.value.code == case.code
    assert CrlBytesSource([data], case.pinned()).problems == [(0, case.code)]
    monkeypatch.setattr(crl, case.guard, case.off)
    assert SERIAL not in dict(crl.entries(verify_crl(data, case.pinned()).crl))


def test_crl_of_a_ca_that_is_not_pinned_is_refused() -> None:
    """CRL other issuer: no pinned CA fits; without the comparison of key identifiers the signature still refuses."""
    with pytest.raises(RevocationDataError, match="crl_issuer_unknown"):
        verify_crl(make_crl(key=keystore.key(f"ca/{KIND}/forged"), generation=4), issuers()[:1])
    with pytest.raises(RevocationDataError, match="crl_issuer_unknown"):
        verify_crl(make_crl(), ())


def test_crl_whose_inner_and_outer_algorithm_differ_is_refused() -> None:
    """V7: it is not even read."""
    with pytest.raises(RevocationDataError, match="crl_malformed"):
        verify_crl(unequal_algorithms(), issuers())


@pytest.mark.parametrize("length", [0, 1, 10, 100, 400])
def test_crl_truncated_is_refused(length: int) -> None:
    """CRL-truncated: no beginning of a CRL is a CRL, and neither is one with something after it."""
    whole = make_crl((5, None))
    with pytest.raises(RevocationDataError, match="crl_malformed"):
        verify_crl(whole[:length], issuers())
    with pytest.raises(RevocationDataError, match="crl_malformed"):
        verify_crl(whole + b"\x00", issuers())


def test_crl_with_any_byte_changed_is_refused() -> None:
    """Whichever byte of a CRL is changed, it is refused with one of our errors."""
    whole = make_crl((SERIAL, SUPERSEDED))
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 0x21
        with pytest.raises(RevocationDataError):
            tuple(crl.entries(verify_crl(bytes(changed), issuers()).crl))


def test_crl_over_the_size_limit_is_refused_before_it_is_parsed() -> None:
    """CRL-huge: the length alone refuses it."""
    with pytest.raises(RevocationDataError, match="crl_too_large"):
        verify_crl(b"\x30" * 101, issuers(), max_bytes=100)


@pytest.mark.parametrize("value", [STRANGE, x509.CertificateIssuer([x509.DirectoryName(ca_certificate().subject)])])
def test_crl_with_an_entry_that_we_do_not_understand_is_refused_whole(
    value: x509.ExtensionType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown critical entry extension, or an entry of another CA, spoils the CRL, not only its entry."""
    builder = x509.CertificateRevocationListBuilder(ca_certificate().subject)
    builder = builder.last_update(MOMENT - HOUR).next_update(MOMENT + HOUR)
    builder = builder.add_revoked_certificate(entry(9, None, (value, True)))
    signed = builder.sign(ca_key(KIND, 3), hashes.SHA256()).public_bytes(Encoding.DER)
    verified = verify_crl(signed, issuers())
    with pytest.raises(RevocationDataError, match="crl_entry_extension"):
        build_snapshot(verified)
    monkeypatch.setattr(crl, "_reason", lambda _extensions: 0)
    assert build_snapshot(verified)


@pytest.mark.parametrize("serial", [-1, -(2**31), 2**160, 2**200])
def test_crl_with_a_serial_that_cannot_be_is_refused_whole(serial: int) -> None:
    """Nothing is truncated or wrapped: a serial that is negative or longer than 20 octets spoils the CRL."""

    def put(tbs: Any) -> None:
        tbs["revoked_certificates"][0]["user_certificate"] = serial

    with pytest.raises(RevocationDataError, match="crl_serial"):
        build_snapshot(verify_crl(reshape_crl(make_crl((SERIAL, None)), put), issuers()))


def says(
    *crls: bytes, certificate: ValidatedCertificate | None = None, now: datetime = MOMENT
) -> RevocationState | str:
    """The verdict on a card by these CRLs, or the code of the refusal."""
    try:
        return CrlBytesSource(crls, issuers()).check(certificate or card(), now).state
    except RevocationUnavailable as error:
        return error.code


def test_crl_with_no_entries_is_a_good_answer() -> None:
    """CRL with 0 entries: valid, the card is good."""
    assert says(make_crl()) is RevocationState.GOOD


@pytest.mark.parametrize(
    ("reason", "state"),
    [(HOLD, RevocationState.HELD), (SUPERSEDED, RevocationState.REVOKED), (None, RevocationState.REVOKED)],
)
def test_a_listed_card_is_refused_and_a_hold_has_its_own_verdict(
    reason: x509.ReasonFlags | None, state: RevocationState
) -> None:
    """Hold is not the same verdict as revoked; no reason at all is revoked."""
    assert says(make_crl((SERIAL, reason))) is state


def test_order_and_repetition_in_a_crl_do_not_matter() -> None:
    """Entries need not be sorted (§12); of two entries for one serial the graver counts."""
    others = [(SERIAL + step, None) for step in (3, -2, 7, -9)]
    assert says(make_crl(*others, (SERIAL, HOLD), *others[::-1])) is RevocationState.HELD
    assert says(make_crl((SERIAL, HOLD), (SERIAL, SUPERSEDED))) is RevocationState.REVOKED
    assert says(make_crl((SERIAL, SUPERSEDED), (SERIAL, HOLD))) is RevocationState.REVOKED


def test_hold_then_revoked_then_removed_is_no_release() -> None:
    """An entry removeFromCRL in a complete CRL still refuses (§5.5)."""
    assert says(make_crl((SERIAL, HOLD), number=1)) is RevocationState.HELD
    assert says(make_crl((SERIAL, SUPERSEDED), number=2)) is RevocationState.REVOKED
    assert says(make_crl((SERIAL, REMOVED), number=3)) is RevocationState.REVOKED


def test_a_delta_adds_and_changes_but_never_releases() -> None:
    """A delta over its base: new entries count, a hold may become revoked, removeFromCRL frees nobody."""
    base = make_crl((SERIAL, HOLD), number=100, this_update=MOMENT - 2 * HOUR)
    assert says(
        make_crl(number=100, this_update=MOMENT - 2 * HOUR), make_crl((SERIAL, None), number=101, base=100)
    ) is (RevocationState.REVOKED)
    assert says(base, make_crl((SERIAL, SUPERSEDED), number=101, base=100)) is RevocationState.REVOKED
    assert says(base, make_crl((SERIAL, REMOVED), number=101, base=100)) is RevocationState.HELD
    assert says(base, make_crl(number=101, base=100)) is RevocationState.HELD


def test_a_delta_that_is_over_leaves_the_complete_crl_and_what_it_told() -> None:
    """When only the delta is over, the complete CRL is fresh still, and the delta's entries keep counting."""
    base = make_crl(number=100, this_update=MOMENT - 3 * HOUR)
    over = {"this_update": MOMENT - 2 * HOUR, "next_update": MOMENT - HOUR, "number": 101, "base": 100}
    assert says(base, make_crl(**over)) is RevocationState.GOOD
    assert says(base, make_crl((SERIAL, None), **over)) is RevocationState.REVOKED


@pytest.mark.parametrize(
    ("base", "delta"),
    [
        (None, {"number": 101, "base": 100}),
        ({"number": 99}, {"number": 101, "base": 100}),
        ({"number": 101}, {"number": 101, "base": 100}),
        ({"number": None}, {"number": 101, "base": 100}),
        ({"number": 100}, {"number": None, "base": 100}),
    ],
    ids=["no-base", "base-too-old", "base-newer", "base-unnumbered", "delta-unnumbered"],
)
def test_a_delta_without_its_base_is_refused(base: dict[str, Any] | None, delta: dict[str, Any]) -> None:
    """CRL delta: it counts only over a complete CRL that it continues."""
    stored = MemoryStore()
    if base is not None:
        stored.publish(verify_crl(make_crl(this_update=MOMENT - 2 * HOUR, **base), issuers()))
    with pytest.raises(RevocationDataError, match="crl_delta_without_base"):
        stored.publish(verify_crl(make_crl(**delta), issuers()))


OLDER: dict[str, dict[str, Any]] = {
    "lower-number": {"number": 99},
    "earlier-thisUpdate": {"number": 101, "this_update": MOMENT - 2 * HOUR},
    "number-gone": {"number": None},
}


@pytest.mark.parametrize("older", OLDER.values(), ids=OLDER.keys())
@pytest.mark.parametrize("kind", ["directory", "memory"])
def test_crl_roll_an_older_crl_never_replaces_the_stored_one(
    older: dict[str, Any],
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CRL-ROLL: number and thisUpdate never fall; without the check the revoked card would be good again."""
    stored = DirectoryStore(tmp_path) if kind == "directory" else MemoryStore()
    stored.publish(verify_crl(make_crl((SERIAL, None)), issuers()))
    source = SnapshotSource(stored, look_again_after=0)
    rolled_back = verify_crl(make_crl(**older), issuers())
    with pytest.raises(RevocationDataError, match="crl_rollback"):
        stored.publish(rolled_back)
    assert source.check(card(), MOMENT).state is RevocationState.REVOKED
    monkeypatch.setattr(store, "require_newer", lambda **_names: None)
    stored.publish(rolled_back)
    assert source.check(card(), MOMENT).state is RevocationState.GOOD


def test_the_same_crl_again_is_no_rollback() -> None:
    """Equal is not older: a file that is read twice does no harm."""
    stored = MemoryStore()
    for _ in range(2):
        stored.publish(verify_crl(make_crl(), issuers()))


def test_crl_of_another_town_says_nothing_about_this_one() -> None:
    """CRL wrong distribution point: a sound CRL of another town is no answer."""
    other = make_crl(point=point_extension(OTHER_TOWN))
    assert says(other) == "no_crl"
    assert says(other, certificate=card("other-town")) is RevocationState.GOOD


def test_distribution_points_are_compared_whole() -> None:
    """Two towns may share a name: the prefecture counts too (§5.1)."""
    home = JPKI.distribution_point(TOWN, KIND)
    elsewhere = x509.Name(
        [
            x509.NameAttribute(part.oid, "Hokkaido") if index == len(list(home)) - 2 else part
            for index, part in enumerate(home)
        ]
    )
    assert [part.value for part in elsewhere][-1] == [part.value for part in home][-1]
    assert says(make_crl(point=point_extension(full_name=[x509.DirectoryName(elsewhere)]))) == "no_crl"


def test_crl_of_another_generation_says_nothing_although_the_name_is_the_same() -> None:
    """All generations share the DN: the key decides (V11)."""
    assert says(make_crl(generation=2)) == "no_crl"


def test_a_crl_without_distribution_point_covers_everything_of_its_ca() -> None:
    """RFC 5280 6.3.3: no IssuingDistributionPoint, no limit; what it lists counts beside the town's own CRL."""
    assert says(make_crl(whole=True)) is RevocationState.GOOD
    assert says(make_crl((SERIAL, None), whole=True)) is RevocationState.REVOKED
    assert says(make_crl(), make_crl((SERIAL, None), whole=True)) is RevocationState.REVOKED
    assert says(make_crl((SERIAL, None)), make_crl(whole=True)) is RevocationState.REVOKED


def test_of_two_crls_in_scope_the_graver_verdict_counts() -> None:
    """V13: revoked wins over held and good, whichever CRL says it; a stale one beside a fresh one does no harm."""
    held, revoked = (SERIAL, HOLD), (SERIAL, SUPERSEDED)
    assert says(make_crl(held), make_crl(revoked, whole=True)) is RevocationState.REVOKED
    assert says(make_crl(revoked), make_crl(held, whole=True)) is RevocationState.REVOKED
    assert says(make_crl(held), make_crl(whole=True)) is RevocationState.HELD
    assert says(make_crl(), make_crl(held, whole=True)) is RevocationState.HELD
    over = {"this_update": MOMENT - 3 * HOUR, "next_update": MOMENT - HOUR}
    assert says(make_crl(**over), make_crl(whole=True)) is RevocationState.GOOD
    assert says(make_crl(**over), make_crl(whole=True, **over)) == "crl_stale"


def test_a_certificate_without_distribution_point_is_not_covered_by_a_partition() -> None:
    """Only a CRL for everything can speak for it; and nothing speaks for one whose points we cannot use."""
    plain = replace(card(), distribution_point=None, distribution_points=())
    assert says(make_crl(), certificate=plain) == "no_crl"
    assert says(make_crl(whole=True), certificate=plain) is RevocationState.GOOD
    unusable = replace(card(), distribution_point=b"", distribution_points=(b"",))
    assert says(make_crl(whole=True), certificate=unusable) == "no_crl"


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (MOMENT - HOUR - timedelta(seconds=1), "crl_not_yet_valid"),
        (MOMENT - HOUR, RevocationState.GOOD),
        (MOMENT + HOUR - timedelta(seconds=1), RevocationState.GOOD),
        (MOMENT + HOUR, "crl_stale"),
        (MOMENT - timedelta(days=1), "crl_not_yet_valid"),
    ],
    ids=["before", "first-second", "last-second", "over", "clock-one-day-back"],
)
def test_a_crl_counts_from_this_update_until_before_next_update(now: datetime, verdict: RevocationState | str) -> None:
    """CRL expired, CRL from the future, and a clock that is a day behind (§7 extra negatives, Keycloak #35983)."""
    assert says(make_crl(), now=now) == verdict
    fresh = verify_crl(make_crl(), issuers())
    if isinstance(verdict, RevocationState):
        require_current(fresh, now)
    else:
        with pytest.raises(RevocationDataError, match=verdict):
            require_current(fresh, now)


def test_a_crl_that_is_over_still_refuses_whom_it_lists() -> None:
    """Nothing that is revoked becomes good by waiting."""
    answer = CrlBytesSource([make_crl((SERIAL, None))], issuers()).check(card(), MOMENT + 9 * HOUR)
    assert (answer.state, answer.mode) == (RevocationState.REVOKED, RevocationMode.GRACE)


def test_freshness_is_what_refuses_a_stale_crl(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the grace forced open, the stale CRL would let the card through: so the comparison is the guard."""
    assert says(make_crl(), now=MOMENT + 2 * HOUR) == "crl_stale"
    monkeypatch.setattr(answers, "NO_GRACE", timedelta(days=1))
    assert says(make_crl(), now=MOMENT + 2 * HOUR) is RevocationState.GOOD


def test_a_crl_over_the_leap_day() -> None:
    """29 February is a day like another."""
    moment = datetime(2028, 2, 29, 12, tzinfo=UTC)
    data = make_crl(this_update=moment - HOUR, next_update=moment + 24 * HOUR)
    assert says(data, now=moment) is RevocationState.GOOD
    assert says(data, now=datetime(2028, 3, 1, 12, tzinfo=UTC)) == "crl_stale"


def openssl_says(folder: Path, data: bytes) -> str:
    """`openssl crl` on the same CRL against the same CA."""
    (folder / "ca.pem").write_bytes(ca_certificate().public_bytes(Encoding.PEM))
    (folder / "c.crl").write_bytes(data)
    command = ["openssl", "crl", "-inform", "DER", "-in", folder / "c.crl", "-CAfile", folder / "ca.pem", "-text"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.stdout + done.stderr


def test_openssl_agrees_about_signature_and_entries(tmp_path: Path) -> None:
    """A second opinion: OpenSSL verifies what we take, refuses what we refuse, and reads the same serials."""
    listed = [0x7, 0x7FFFFF, 0x80000001, 2**63 + 11, 2**159 - 1]
    data = make_crl(*[(serial, SUPERSEDED) for serial in listed])
    text = openssl_says(tmp_path, data)
    assert "verify OK" in text
    shown = [int(line.split(":")[1], 16) for line in text.splitlines() if "Serial Number:" in line]
    verified: VerifiedCrl = verify_crl(data, issuers())
    assert sorted(shown) == sorted(listed) == sorted(serial for serial, _code in crl.entries(verified.crl))
    forged = CASES["CRL-unsigned-by-the-ca"].make()
    assert "verify failure" in openssl_says(tmp_path, forged)
