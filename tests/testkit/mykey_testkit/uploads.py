"""Terminals that write records offline, and a town that receives them: written apart from the terminal's own code."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Table, func, select

from mykey_core.plugins.errors import PluginFault
from mykey_core.storage.session import Session
from mykey_core.storage.tables import audit_record
from mykey_core.terminals.registry import Terminal, TerminalRegistry
from mykey_core.uploads.delivery import Delivery
from mykey_core.uploads.ledger import Settled
from mykey_core.uploads.receive import Upload, UploadAnswer, UploadService
from mykey_core.uploads.reconcile import Reconciliation
from mykey_core.uploads.states import RecordState
from mykey_core.uploads.tables import upload_record
from mykey_testkit.identity import MUNICIPALITY, Register

SERVICE = "taxi-ride"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Office:
    """A town's uploads, and a service that notes what it hears (`failing`: it raises instead)."""

    def __init__(self, register: Register) -> None:
        self.register = register
        self.failing = False
        self.deliveries: list[Delivery] = []
        self.terminals = TerminalRegistry(register.database, MUNICIPALITY, register.clock)
        self.terminals.define_service_point("cab", {"ja": "車", "en": "Cab"}, [SERVICE])
        self.uploads = UploadService(register.database, MUNICIPALITY, register.clock, self._deliver)
        self.reconciliation = Reconciliation(
            register.database,
            MUNICIPALITY,
            register.clock,
            terminals=self.terminals,
            uploads=self.uploads,
            deliver=self._deliver,
        )

    def _deliver(self, delivery: Delivery, session: Session) -> Settled:  # noqa: ARG002 - it writes nothing
        if self.failing:
            raise PluginFault("taxi", "mykey_offline_record")
        self.deliveries.append(delivery)
        return Settled(RecordState.ACCEPTED, "taxi.ride", {"number": delivery.sequence})

    @property
    def heard(self) -> list[int]:
        """The numbers that the service heard, in its order."""
        return [delivery.sequence for delivery in self.deliveries]

    def cab(self) -> Cab:
        """A newly enrolled terminal."""
        key = Ed25519PrivateKey.generate()
        return Cab(self, self.terminals.enrol(self.terminals.new_code("cab"), Cab.public_jwk(key), "cab", "1"), key)

    def count(self, table: Table) -> int:
        """The rows of a table."""
        with self.register.database.reading() as session:
            query = select(func.count()).select_from(table).where(table.c.municipality == MUNICIPALITY)
            return int(session.execute(query).scalar_one())

    def clocks(self) -> list[str]:
        """What the hub thinks of the clock of each record."""
        with self.register.database.reading() as session:
            query = select(upload_record.c.clock).where(upload_record.c.municipality == MUNICIPALITY)
            return [str(clock) for clock in session.execute(query).scalars()]

    def events(self) -> list[str]:
        """The names of all audit records."""
        with self.register.database.reading() as session:
            query = select(audit_record.c.event).where(audit_record.c.municipality == MUNICIPALITY)
            return [str(event) for event in session.execute(query).scalars()]


@dataclass
class Cab:
    """A terminal with a chain of its own. `skew` is by how much its clock is wrong."""

    office: Office
    terminal: Terminal
    key: Ed25519PrivateKey = field(repr=False)
    seq: int = 0
    last: bytes = bytes(32)
    skew: timedelta = timedelta(0)
    boot_id: str = "first-run"
    uptime_ms: int = 1_000

    @staticmethod
    def public_jwk(key: Ed25519PrivateKey) -> dict[str, str]:
        """A device key as it is enrolled."""
        return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(key.public_key().public_bytes_raw())}

    def copy(self) -> Cab:
        """The same terminal again, as if its disk had been copied."""
        return copy.copy(self)

    def restart(self) -> None:
        """Forget everything that was recorded."""
        self.seq, self.last = 0, bytes(32)

    def pass_time(self, step: timedelta) -> None:
        """Time passes for the hub's clock and for the cab's counter alike."""
        self.office.register.clock.move(step)
        self.uptime_ms += int(step.total_seconds() * 1000)

    def make(self, payload: dict[str, Any], service: str = SERVICE) -> dict[str, Any]:
        """The next record of the chain, on the wire."""
        wire = self.sign_anything(payload, service)
        self.seq, self.last = wire["seq"], bytes.fromhex(wire["hash"])
        return wire

    def sign_anything(self, payload: dict[str, Any], service: str = SERVICE) -> dict[str, Any]:
        """A well signed record whatever the payload is; the chain does not go on."""
        signed = {
            "terminal_id": str(self.terminal.id),
            "seq": self.seq + 1,
            "record_id": str(uuid.uuid4()),
            "service": service,
            "recorded_at": self._wall(),
            "boot_id": self.boot_id,
            "mono_ms": self.uptime_ms,
            "payload": payload,
        }
        text = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(self.last + text.encode()).digest()
        signature = _base64url(self.key.sign(digest))
        return {**signed, "prev_hash": self.last.hex(), "hash": digest.hex(), "sig": signature}

    def _wall(self) -> str:
        return (self.office.register.clock.now + self.skew).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def upload(self, *records: dict[str, Any]) -> UploadAnswer:
        """Hand records in."""
        now = self.office.register.clock.now + self.skew
        return self.office.uploads.receive(self.terminal, Upload(self.boot_id, now, self.uptime_ms, records))

    def public_pem(self) -> bytes:
        """The public key for openssl."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
