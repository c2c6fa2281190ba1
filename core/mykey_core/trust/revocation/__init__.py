"""Whether a certificate still stands: verified CRLs as snapshots, OCSP, operators, and the outage budget."""

from __future__ import annotations

from mykey_core.trust.revocation.crl_files import CrlFileSource
from mykey_core.trust.revocation.memory import CrlBytesSource, EveryCrl
from mykey_core.trust.revocation.snapshot import Snapshot

__all__ = ["CrlBytesSource", "CrlFileSource", "EveryCrl", "Snapshot"]
