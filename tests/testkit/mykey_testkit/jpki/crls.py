"""The CRLs of the test JPKI at any moment: a full one a day, a delta every quarter of an hour, and broken ones.

What is revoked comes from `book`; keys and names come from the emulator.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from asn1crypto import crl as asn1_crl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator.jpki import RevokedSerial
from mykey_cardap.emulator.jpki.authority import ca_key
from mykey_cardap.emulator.personas import Issuer
from mykey_testkit.jpki.book import Book, Partition
from mykey_testkit.jpki.faults import Fault

JST_MIDNIGHT = timedelta(hours=15)
"""A full CRL is of 00:00 in Japan, which is 15:00 UTC of the day before."""
FULL_LIFE = timedelta(days=1, hours=6)
"""It is good for six hours more than a day, so that a change-over cannot leave a gap."""
DELTA_EVERY = timedelta(minutes=15)
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_FIRST = datetime(2015, 1, 1, tzinfo=UTC)


def published(now: datetime) -> datetime:
    """The moment of the full CRL that is current at `now`."""
    day = (now - JST_MIDNIGHT).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + JST_MIDNIGHT


def number(moment: datetime) -> int:
    """The cRLNumber of a CRL of that moment: the minutes since 2015, so that it never falls."""
    return int((moment - _FIRST).total_seconds() // 60)


def full_crl(book: Book, partition: Partition, now: datetime, fault: Fault | None = None) -> bytes:
    """The full CRL (DER) of a partition that is current at `now`."""
    moment = _moment(now, fault)
    life = timedelta(days=30) if fault is Fault.CRL_ROLLBACK else FULL_LIFE
    der = book.jpki.crl(
        partition.kind,
        partition.generation,
        _point(book, partition, fault),
        revoked=_entries(book, partition, moment, fault),
        this_update=moment,
        next_update=moment + life,
        number=number(moment),
        issuer=Issuer.FORGED if fault is Fault.CRL_FORGED else Issuer.GENUINE,
    )
    return _broken(der, ca_key(partition.kind, partition.generation), fault)


def delta_crl(book: Book, partition: Partition, now: datetime, fault: Fault | None = None) -> bytes:
    """The delta (DER) since the current full CRL; RFC 5280 5.2.4."""
    base = published(now)
    moment = now - (now - base) % DELTA_EVERY
    before = set(book.revoked(partition, base))
    entries = [entry for entry in book.revoked(partition, moment) if entry not in before]
    full = x509.load_der_x509_crl(full_crl(book, partition, now))
    builder = (
        x509.CertificateRevocationListBuilder(full.issuer)
        .last_update(moment)
        .next_update(moment + DELTA_EVERY * 2)
        .add_extension(x509.CRLNumber(number(moment)), critical=False)
        .add_extension(x509.DeltaCRLIndicator(number(base)), critical=True)
    )
    for kind in (x509.AuthorityKeyIdentifier, x509.IssuingDistributionPoint):
        extension = full.extensions.get_extension_for_class(kind)
        builder = builder.add_extension(extension.value, critical=extension.critical)
    for entry in entries:
        builder = builder.add_revoked_certificate(_entry(entry))
    key = ca_key(partition.kind, partition.generation)
    return _broken(builder.sign(key, hash_for(key)).public_bytes(Encoding.DER), key, fault)


def hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """The hash that a CA with this key uses."""
    return hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else hashes.SHA384()


def raw_signature(key: PrivateKey, message: bytes) -> bytes:
    """Sign bytes as the CA with this key does."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(message, ec.ECDSA(hashes.SHA384()))


def _moment(now: datetime, fault: Fault | None) -> datetime:
    current = published(now)
    if fault is Fault.CRL_STALE:
        return current - timedelta(days=3)
    if fault is Fault.CRL_ROLLBACK:
        return current - timedelta(days=10)
    return current + timedelta(days=2) if fault is Fault.CRL_FROM_TOMORROW else current


def _point(book: Book, partition: Partition, fault: Fault | None) -> x509.Name:
    town = partition.municipality
    if fault is Fault.CRL_OTHER_TOWN:
        town = "102016" if town != "102016" else "132217"
    return book.jpki.distribution_point(town, partition.kind)


def _entries(book: Book, partition: Partition, moment: datetime, fault: Fault | None) -> list[RevokedSerial]:
    if fault is Fault.CRL_EMPTY:
        return []
    entries = book.revoked(partition, moment)
    return entries[::-1] if fault is Fault.CRL_UNSORTED else entries


def _entry(entry: RevokedSerial) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(entry.date)
    return builder.add_extension(x509.CRLReason(entry.reason), critical=False).build()


def _broken(der: bytes, key: PrivateKey, fault: Fault | None) -> bytes:
    if fault is Fault.CRL_TRUNCATED:
        return der[: len(der) // 2]
    change = _CHANGES.get(fault) if fault else None
    if change is None:
        return der
    certificate_list = asn1_crl.CertificateList.load(der)
    tbs = certificate_list["tbs_cert_list"]
    change(tbs)
    certificate_list["signature"] = raw_signature(key, tbs.dump(force=True))
    return bytes(certificate_list.dump(force=True))


def _drop_next_update(tbs: asn1_crl.TbsCertList) -> None:
    tbs["next_update"] = None


def _add_critical(tbs: asn1_crl.TbsCertList) -> None:
    tbs["crl_extensions"].append(
        asn1_crl.TBSCertListExtension({"extn_id": "1.2.392.200149.8.5.99", "critical": True, "extn_value": b"\x05\x00"})
    )


def _set_scope(flag: str, value: object) -> Callable[[asn1_crl.TbsCertList], None]:
    def change(tbs: asn1_crl.TbsCertList) -> None:
        for extension in tbs["crl_extensions"]:
            if extension["extn_id"].native == "issuing_distribution_point":
                extension["extn_value"].parsed[flag] = value

    return change


_CHANGES: dict[Fault, Callable[[asn1_crl.TbsCertList], None]] = {
    Fault.CRL_NO_NEXT_UPDATE: _drop_next_update,
    Fault.CRL_UNKNOWN_CRITICAL: _add_critical,
    Fault.CRL_INDIRECT: _set_scope("indirect_crl", value=True),
    Fault.CRL_ONLY_CA_CERTIFICATES: _set_scope("only_contains_ca_certs", value=True),
    Fault.CRL_ONLY_SOME_REASONS: _set_scope("only_some_reasons", value={"key_compromise"}),
}
