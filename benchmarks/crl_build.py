"""Make large CRLs for the benchmarks: `python benchmarks/crl_build.py --entries 1000000 --bits 31 big.crl`.

The CRL is signed by the emulator's CA of generation 3 for the demo town. `cryptography`'s builder would take minutes
for a million entries, so entries are joined from parts that asn1crypto encoded once; everything around them is built
by `cryptography`.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from asn1crypto import core, parser
from asn1crypto import crl as asn1_crl
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator.jpki.authority import EmulatedJpki, ca_key
from mykey_cardap.kinds import CertificateKind

KIND: Final = CertificateKind.AUTHENTICATION
TOWN: Final = "132217"
NOW: Final = datetime(2026, 11, 1, 3, tzinfo=UTC)
REASONS: Final = ("key_compromise", "affiliation_changed", "superseded", "cessation_of_operation", "certificate_hold")
_SEQUENCE: Final = 16


def random_serials(count: int, bits: int, seed: int = 1) -> list[int]:
    """`count` distinct serials of at most `bits` bits, in random order, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - test data
    found: dict[int, None] = {}
    while len(found) < count:
        found[chance.getrandbits(bits) | 1 << (bits - 1) if bits > 32 else chance.getrandbits(bits) or 1] = None  # noqa: PLR2004
    return list(found)


def build_crl(
    serials: Iterable[int],
    *,
    reasons: bool = True,
    number: int = 1,
    base: int | None = None,
    this_update: datetime = NOW - timedelta(hours=1),
    next_update: datetime = NOW + timedelta(days=1),
) -> bytes:
    """A signed CRL (DER); every fifth entry has each of five reasons, or none has one. `base` makes a delta."""
    key = ca_key(KIND, 3)
    assert isinstance(key, rsa.RSAPrivateKey)
    frame = asn1_crl.CertificateList.load(_frame(number, base, this_update, next_update))
    tbs = frame["tbs_cert_list"]
    before = [tbs[name].dump() for name in ("version", "signature", "issuer", "this_update", "next_update")]
    listed = _sequence(b"".join(_entries(serials, reasons=reasons)))
    signed = _sequence(b"".join((*before, listed, tbs["crl_extensions"].dump())))
    signature = core.OctetBitString(key.sign(signed, padding.PKCS1v15(), SHA256())).dump()
    return _sequence(signed + frame["signature_algorithm"].dump() + signature)


def _frame(number: int, base: int | None, this_update: datetime, next_update: datetime) -> bytes:
    """A CRL without entries: everything but the list comes from here."""
    jpki = EmulatedJpki(NOW.date())
    empty = jpki.crl(
        KIND,
        3,
        jpki.distribution_point(TOWN),
        revoked=[],
        this_update=this_update,
        next_update=next_update,
        number=number,
    )
    if base is None:
        return empty
    full = x509.load_der_x509_crl(empty)
    builder = x509.CertificateRevocationListBuilder(full.issuer).last_update(this_update).next_update(next_update)
    for extension in full.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    delta = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)

    key = ca_key(KIND, 3)
    assert isinstance(key, rsa.RSAPrivateKey)
    return delta.sign(key, SHA256()).public_bytes(Encoding.DER)


def _entries(serials: Iterable[int], *, reasons: bool) -> Iterable[bytes]:
    tails = [_tail(reason) for reason in (REASONS if reasons else (None,))]
    heads: dict[tuple[int, int], bytes] = {}
    for serial in serials:
        width = serial.bit_length() // 8 + 1  # a positive INTEGER keeps its highest bit zero
        tail = tails[serial % len(tails)]
        head = heads.get((width, len(tail)))
        if head is None:
            whole = _sequence(core.Integer(1 << (8 * width - 2)).dump() + tail)
            head = heads[width, len(tail)] = whole[: len(whole) - len(tail) - width]
        yield head + serial.to_bytes(width, "big") + tail


def _tail(reason: str | None) -> bytes:
    entry = asn1_crl.RevokedCertificate({"user_certificate": 1, "revocation_date": _time()})
    if reason is not None:
        entry["crl_entry_extensions"] = [{"extn_id": "crl_reason", "critical": False, "extn_value": reason}]
    extensions = b"" if reason is None else entry["crl_entry_extensions"].dump()
    return bytes(entry["revocation_date"].dump() + extensions)


def _time() -> asn1_crl.Time:
    return asn1_crl.Time({"utc_time": NOW - timedelta(days=30)})


def _sequence(content: bytes) -> bytes:
    return bytes(parser.emit(0, 1, _SEQUENCE, content))


def main() -> int:
    """Write one CRL."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--entries", type=int, default=1_000_000)
    options.add_argument("--bits", type=int, default=31, help="width of the serials: 31 and 159 are typical")
    options.add_argument("--no-reasons", action="store_true")
    options.add_argument("--number", type=int, default=1)
    options.add_argument("--base", type=int, default=None, help="make a delta over this CRL number")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("file", type=Path)
    chosen = options.parse_args()
    serials = random_serials(chosen.entries, chosen.bits, chosen.seed)
    data = build_crl(serials, reasons=not chosen.no_reasons, number=chosen.number, base=chosen.base)
    chosen.file.write_bytes(data)
    print(f"{chosen.file}: {len(data):,} bytes, {chosen.entries:,} entries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
