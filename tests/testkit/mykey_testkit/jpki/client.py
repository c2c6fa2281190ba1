"""A running test JPKI as a test sees it: its address, and its administration in a few words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import httpx

from mykey_cardap.kinds import CertificateKind
from mykey_testkit.jpki.book import Partition
from mykey_testkit.jpki.faults import Fault

_START_SECONDS = 20


@dataclass(frozen=True, slots=True)
class JpkiService:
    """The test JPKI at `url`, for example `http://127.0.0.1:40123`."""

    url: str

    def crl_url(self, partition: Partition, *, delta: bool = False) -> str:
        """Where the CRL (or delta) of a partition is."""
        part = "delta" if delta else "crl"
        return f"{self.url}/{part}/{partition.kind}/{partition.generation}/{partition.municipality}.crl"

    def ocsp_url(self, kind: CertificateKind) -> str:
        """Where OCSP requests about certificates of a kind are posted."""
        return f"{self.url}/ocsp/{kind}"

    def set_clock(self, now: datetime | None) -> None:
        """Fix the service's clock; None lets it run."""
        self._admin("PUT", "clock", {"now": now.isoformat() if now else None})

    def break_with(self, target: str, fault: Fault, *, seconds: float = 1.0, times: int | None = None) -> None:
        """Plan a fault for `crl`, `delta`, `ocsp` or `ca`; for `times` requests, or until `heal`."""
        self._admin("PUT", "faults", {"target": target, "fault": fault, "seconds": seconds, "times": times})

    def heal(self) -> None:
        """Take all faults away."""
        self._admin("DELETE", "faults")

    def revoke(self, partition: Partition, serial: int, reason: str, at: datetime | None = None) -> None:
        """Revoke a serial; `reason` is RFC 5280's name, such as `certificateHold`. CRLs tell it from their next on."""
        order: dict[str, object] = {
            "kind": partition.kind,
            "generation": partition.generation,
            "municipality": partition.municipality,
            "serial": str(serial),
            "reason": reason,
        }
        if at is not None:
            order["at"] = at.isoformat()
        self._admin("POST", "revocations", order)

    def requests(self) -> dict[str, int]:
        """How often each target was asked since the start."""
        counted: dict[str, int] = self._admin("GET", "requests").json()
        return counted

    def _admin(self, method: str, name: str, body: object = None) -> httpx.Response:
        content = None if body is None else json.dumps(body)
        with httpx.Client(trust_env=False) as client:
            response = client.request(method, f"{self.url}/admin/{name}", content=content)
        return response.raise_for_status()


@contextmanager
def running_service(at: datetime | None = None) -> Iterator[JpkiService]:
    """Start `python -m mykey_testkit.jpki_service` on a free port, and end it afterwards."""
    command = [sys.executable, "-m", "mykey_testkit.jpki_service", "--port", "0"]
    if at is not None:
        command += ["--at", at.isoformat()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the test JPKI did not start: run python -m mykey_testkit.jpki_service to see why")
            yield JpkiService(json.loads(line)["url"])
        finally:
            process.stdin.close()
            try:
                process.wait(_START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
