"""A register of persons without a hub around it: its database, its keys, and certificates of the emulated JPKI."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator import personas
from mykey_cardap.emulator.jpki import POLICIES, EmulatedJpki
from mykey_cardap.kinds import CertificateKind
from mykey_core.identity.enrolment import Enrolment, Proof
from mykey_core.identity.life import Happening, LifeRegister
from mykey_core.identity.people import KnownPerson, People
from mykey_core.identity.renewal import Renewals
from mykey_core.identity.states import EventKind
from mykey_core.keys.file import FileKeys, new_keys
from mykey_core.storage.database import Database, open_database
from mykey_core.storage.session import Session
from mykey_core.trust import fast_path
from mykey_core.trust.store import TrustStore
from mykey_core.trust.types import ValidatedCertificate
from mykey_testkit.clock import START, ManualClock
from mykey_testkit.tables import give_tables

T = TypeVar("T")
MUNICIPALITY = "132217"
STAFF = "staff:desk-1"


@cache
def certificate(persona: str, kind: CertificateKind = CertificateKind.AUTHENTICATION) -> ValidatedCertificate:
    """The certificate of a persona's card, validated against the emulated JPKI."""
    today = date(START.year, START.month, START.day)
    jpki = EmulatedJpki(today)
    loaded = personas.load(persona, today)
    ca = jpki.ca_certificate(kind, loaded.generation)
    der = jpki.certificate(loaded, kind).public_bytes(Encoding.DER)
    policies = frozenset({POLICIES[kind]})
    return fast_path.validate(der, store=TrustStore([ca]), kind=kind, policy_oids=policies, now=START)


def numbered(number: int, kind: CertificateKind = CertificateKind.AUTHENTICATION) -> ValidatedCertificate:
    """A certificate that differs from others by its serial only: what the register tells certificates by."""
    return replace(certificate("adult", kind), serial_number=number)


@dataclass
class Register:
    """The register of one town: in a file of its own, or in the database at `url`, whose tables are there."""

    folder: Path
    url: str | None = None
    municipality: str = MUNICIPALITY
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.keys = FileKeys(new_keys())
        self.people = People(self.municipality, self.keys)
        self.life = LifeRegister(self.people)
        self.enrolment = Enrolment(self.people)
        self.renewals = Renewals(self.people)
        url = self.url or f"sqlite:///{self.folder}/register.sqlite3"
        give_tables(url)
        self.database: Database = open_database(url, self.municipality)

    def do(self, work: Callable[[Session], T]) -> T:
        """Run `work` as one unit of work."""
        return self.database.commit(work)

    def enrol(self, number: int) -> KnownPerson:
        """A new person at the desk, with the certificate of this number."""
        return self.do(lambda session: self.people.enrol(session, numbered(number), self.clock()))

    def find(self, wanted: ValidatedCertificate, plugin: str = "library") -> KnownPerson | None:
        """Who has this certificate."""
        return self.do(lambda session: self.people.find(session, wanted, plugin))

    def subject(self, number: int, plugin: str) -> str:
        """The pairwise id of the person with this certificate, made when it is missing."""

        def work(session: Session) -> str:
            known = self.people.find(session, numbered(number), plugin)
            assert known is not None
            return self.people.subject_for(session, known, plugin, self.clock())

        return self.do(work)

    def record(self, person: UUID, kind: EventKind, *, credential: UUID | None = None) -> UUID:
        """Record an event by a member of staff; returns its id."""
        happening = Happening(kind, self.clock(), STAFF, credential=credential)
        return self.do(lambda session: self.life.record(session, person, happening)).id

    def reverse(self, event: UUID) -> UUID:
        """Take an event back."""
        return self.do(lambda session: self.life.reverse(session, event, at=self.clock(), actor=STAFF)).id

    def credential_of(self, number: int) -> UUID:
        """The id of the credential of this number."""
        stored = self.do(lambda session: self.people.credentials.find(session, numbered(number)))
        assert stored is not None
        return stored.id

    def proof(self, wanted: ValidatedCertificate, session: str = "nonce-1") -> Proof:
        """A proof by this certificate in a session."""
        return Proof(wanted, session, self.clock())

    def close(self) -> None:
        """Close the database."""
        self.database.dispose()


def as_notice(wanted: ValidatedCertificate) -> dict[str, str]:
    """How the operator names a certificate."""
    return {"issuerSha256": wanted.issuer.fingerprint.hex(), "serialNumber": f"{wanted.serial_number:x}"}


class RenewalOperator:
    """The operator's notices as a running process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "mykey_testkit.renewal_service"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.url: str = json.loads(self._process.stdout.readline())["url"]

    @property
    def address(self) -> str:
        """Where questions go."""
        return f"{self.url}/v1/certificate-neighbour"

    def tell(self, *chains: list[ValidatedCertificate], fault: str | None = None) -> None:
        """Set what it knows: chains of certificates, oldest first."""
        self.tell_ids(*([as_notice(one) for one in chain] for chain in chains), fault=fault)

    def tell_ids(self, *chains: list[dict[str, str]], fault: str | None = None) -> None:
        """The same with issuers and serials in hexadecimal."""
        body = {"chains": list(chains), "fault": fault}
        httpx.put(f"{self.url}/admin/chains", json=body, trust_env=False).raise_for_status()

    def count(self) -> int:
        """How often it was asked."""
        answer: int = httpx.get(f"{self.url}/admin/requests", trust_env=False).json()["count"]
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
