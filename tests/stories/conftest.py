"""Towns and cards for whole stories: two towns, two plugins, cards that are renewed, CRLs that follow the years."""

from __future__ import annotations

import base64
import hashlib
import importlib
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import mykey_library
from mykey_cardap.emulator import InProcessTransport, personas
from mykey_cardap.emulator.application import Options
from mykey_cardap.emulator.aps import jpki as jpki_application
from mykey_cardap.emulator.card import VirtualCard, by_aid
from mykey_cardap.emulator.jpki import EmulatedJpki, RevokedSerial
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind
from mykey_core.hub import open_hub, upgrade_database
from mykey_core.settings import load_settings
from mykey_library.cli import library
from mykey_testkit.clock import START, ManualClock
from mykey_testkit.hub import ORIGIN, TerminalClient
from mykey_testkit.identity import RenewalOperator
from mykey_testkit.renewal_service import ACCESS_TOKEN
from mykey_web.app import create_app
from mykey_web.setup import write_new_hub

AUTHENTICATION, SIGNATURE = CertificateKind.AUTHENTICATION, CertificateKind.SIGNATURE
JPKI = EmulatedJpki(START.date())
GENERATIONS = (3, 4)
HOME, AWAY = "132217", "102016"
SERVICES = ("library-desk", "points-desk")
PLUGINS = """
[plugins.library]
grants = ["audit", "database", "events", "jobs", "offline", "pages", "people", "tap"]
[plugins.library.services.library-desk]
residents_only = true
[plugins.points]
grants = ["database", "tap", "attribute:name", "attribute:age_band"]
"""
Json = dict[str, Any]


@dataclass(frozen=True)
class StoryCard:
    """A card of one person: whose key it has (a persona's), its serials, and what its certificates say.

    `signature` names the serial of the signature certificate, which changes more often than the other.
    """

    name: str
    key_of: str
    issued: date
    generation: int = 3
    signature: str = "1"
    person: str = "見本　花子"
    address: str = "東京都清瀬市見本町１－２－３"
    birth: date = date(1980, 2, 17)

    def persona(self, kind: CertificateKind) -> personas.Persona:
        """The emulator's description of this card."""
        own = personas.load(self.key_of, START.date())
        adult = personas.load("adult", START.date())
        serial = f"story/{self.name}" + (f"/{self.signature}" if kind is SIGNATURE else "")
        return replace(
            own,
            holder=replace(adult.holder, name=self.person, address=self.address, birth_date=self.birth),
            municipality=adult.municipality,
            serial_of=serial,
            issued=self.issued,
            generation=self.generation,
            revocation=None,
            auth_pin="1234",
            sign_pin="ABC123",
        )

    def certificate(self, kind: CertificateKind) -> x509.Certificate:
        """The certificate of this kind on the card."""
        return JPKI.certificate(self.persona(kind), kind)

    def token(self, kind: CertificateKind, challenge: Json) -> Json:
        """The token that the emulated card makes by APDUs, after its PIN."""
        application = jpki_application.application(self.persona(kind), JPKI, Options())
        session = JpkiSession(InProcessTransport(VirtualCard(by_aid([application]))))
        session.verify_pin(kind.value, {AUTHENTICATION: b"1234", SIGNATURE: b"ABC123"}[kind])
        der, algorithm = session.read_certificate(kind), session.signing_algorithm(kind)
        parts = [hashlib.new("sha" + algorithm[-3:], challenge[name].encode()).digest() for name in ("origin", "nonce")]
        signature = session.sign_message(kind, b"".join(parts), algorithm)
        return {
            "format": "web-eid:1.0",
            "unverifiedCertificate": base64.b64encode(der).decode("ascii"),
            "algorithm": algorithm,
            "signature": base64.b64encode(signature).decode("ascii"),
        }


@dataclass
class Issuer:
    """What the emulated JPKI has revoked in this story."""

    revoked: dict[tuple[CertificateKind, int], list[RevokedSerial]] = field(default_factory=lambda: defaultdict(list))

    def revoke(self, card: StoryCard, kind: CertificateKind, reason: str, at: datetime) -> None:
        """Put a certificate on its CRL."""
        serial = card.certificate(kind).serial_number
        self.revoked[kind, card.generation].append(RevokedSerial(serial, at, x509.ReasonFlags(reason)))

    def publish(self, kind: CertificateKind, folder: Path, now: datetime) -> None:
        """Write today's signed CRLs of the partition that all cards of the story are in."""
        this_update = now.replace(microsecond=0) - timedelta(minutes=1)
        for generation in GENERATIONS:
            crl = JPKI.crl(
                kind,
                generation,
                JPKI.distribution_point(HOME, kind),
                revoked=self.revoked[kind, generation],
                this_update=this_update + len(self.revoked[kind, generation]) * timedelta(seconds=1),
                next_update=this_update + timedelta(days=1),
                number=int(this_update.timestamp()) + len(self.revoked[kind, generation]),
            )
            (folder / f"{kind}-{generation}.crl").write_bytes(crl)


class StoryTown:
    """A hub with two plugins and a renewal operator. Cards are tapped over its JSON API."""

    def __init__(self, folder: Path, code: str, clock: ManualClock, issuer: Issuer, operator: RenewalOperator) -> None:
        self.folder, self.code, self.clock, self.issuer = folder, code, clock, issuer
        self.published: object = None
        self.patrons = [f"{1 if code == HOME else 2}000001{last}" for last in (7, 2, 5, 9)]
        partitions = [JPKI.distribution_point(HOME).rfc4514_string(), JPKI.distribution_point(code).rfc4514_string()]
        write_new_hub(
            folder,
            municipality=code,
            titles={"ja": "みほん市", "en": "Mihon"},
            origin=ORIGIN,
            ca=self._authorities(AUTHENTICATION, folder.parent / f"{folder.name}-ca"),
            environment="test",
            distribution_points=list(dict.fromkeys(partitions)),
            plugins=PLUGINS,
        )
        self._configure(operator)
        self.settings = load_settings(folder / "hub.toml")
        assert upgrade_database(self.settings) == []
        self.hub = open_hub(self.settings, clock)
        self.app = create_app(self.hub)
        self.hub.terminals.define_service_point("desk", {"ja": "窓口", "en": "Desk"}, list(SERVICES))
        self._import_library()
        self.terminal = TerminalClient(self.app, self.hub.terminals.new_code("desk"), clock)

    def _authorities(self, kind: CertificateKind, folder: Path) -> list[Path]:
        folder.mkdir(exist_ok=True)
        paths = [folder / f"{kind}-{generation}.pem" for generation in GENERATIONS]
        for generation, path in zip(GENERATIONS, paths, strict=True):
            path.write_bytes(JPKI.ca_certificate(kind, generation).public_bytes(Encoding.PEM))
        return paths

    def _configure(self, operator: RenewalOperator) -> None:
        signature = self._authorities(SIGNATURE, self.folder / "ca-signature")
        token = self.folder / "operator-token"
        token.write_text(ACCESS_TOKEN)
        token.chmod(0o600)
        names = ", ".join(f'"ca-signature/{path.name}"' for path in signature)
        text = (self.folder / "hub.toml").read_text(encoding="utf-8").replace("anchors = [", f"anchors = [{names}, ")
        text += f"\n[identity]\nsignature_ca = [{names}]\n[identity.renewal]\n"
        text += f'url = "{operator.address}"\ntoken_file = "operator-token"\n'
        (self.folder / "hub.toml").write_text(text, encoding="utf-8")
        self.publish()

    def _import_library(self) -> None:
        patrons = self.folder / "patrons.csv"
        patrons.write_text("\n".join(["number", *self.patrons]), encoding="utf-8")
        items = Path(str(mykey_library.__file__)).parent / "demo" / "items.csv"
        arguments = ["import", "--config", str(self.config), "--patrons", str(patrons), "--items", str(items)]
        result = CliRunner().invoke(library, arguments)
        assert result.exit_code == 0, result.output

    def publish(self) -> None:
        """Today's CRLs arrive, unless they have."""
        wanted = (self.clock.now.date(), sum(map(len, self.issuer.revoked.values())))
        if wanted == self.published:
            return
        self.published = wanted
        for kind in CertificateKind:
            self.issuer.publish(kind, self.folder / "crl", self.clock.now)

    @property
    def config(self) -> Path:
        """The hub's settings file."""
        return self.folder / "hub.toml"

    def tap(self, card: StoryCard, service: str, action: str = "open", *, sign: bool = False, **values: str) -> Json:
        """A whole tap on today's CRLs; with `sign` the card also shows its signature certificate."""
        self.publish()
        for files in self.hub.logins.revocation.files.values():
            files.refresh()  # what a running hub does by itself, in a thread
            files.answers.refresh()
        self.terminal.sign_in()
        challenge = self.terminal.begin(service, action, **values)
        body: Json = {"token": card.token(AUTHENTICATION, challenge)}
        if sign:
            body["attributes"] = {"signature_token": card.token(SIGNATURE, challenge)}
        answer: Json = self.terminal.post(f"/taps/{challenge['tap_id']}/proof", body).get_json()
        return answer

    def codes(self, card: StoryCard) -> tuple[str, str]:
        """What the library desk and the points desk say to this card."""
        answers = [self.tap(card, service) for service in SERVICES]
        return tuple(answer["code"] if "code" in answer else answer["result"]["code"] for answer in answers)  # type: ignore[return-value]

    def accounts(self, card: StoryCard) -> tuple[str, int]:
        """The patron number and the points of whoever holds the card."""
        views = [self.tap(card, service)["result"]["view"][0]["rows"][0]["value"] for service in SERVICES]
        return views[0], views[1]

    def command(self, *arguments: str, **given: Any) -> Any:
        """`mykey identity …` with JSON in and out."""
        import json

        from mykey_core.identity.cli import identity

        at_clock = {"mykey_core.identity.cli_base.open_hub": lambda settings: open_hub(settings, self.clock)}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in at_clock.items():
                patch.setattr(name, value)
            command = [*arguments, "--config", str(self.config)]
            result = CliRunner().invoke(identity, command, input=json.dumps(given))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return json.loads(result.output)

    def show(self, card: StoryCard) -> Json:
        """The person behind a card."""
        answer: Json = self.command("show", certificate=self.der(card))
        return answer

    def der(self, card: StoryCard) -> str:
        """The authentication certificate of a card in base64."""
        return base64.b64encode(card.certificate(AUTHENTICATION).public_bytes(Encoding.DER)).decode("ascii")

    def issuer_of(self, card: StoryCard) -> str:
        """SHA-256 of the CA certificate of a card, in hexadecimal."""
        return JPKI.ca_certificate(AUTHENTICATION, card.generation).fingerprint(hashes.SHA256()).hex()

    def serial_of(self, card: StoryCard) -> str:
        """The serial of a card in hexadecimal."""
        return f"{card.certificate(AUTHENTICATION).serial_number:x}"

    def happens(self, person: str, kind: str, **more: Any) -> Json:
        """Staff record a life event."""
        answer: Json = self.command("record", person=person, kind=kind, actor="staff:minato", **more)
        assert "error" not in answer, answer
        return answer

    def close(self) -> None:
        """Close the hub."""
        self.hub.close()


@pytest.fixture
def points_plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The sample plugin, installed for this test."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "plugin"))
    importlib.invalidate_caches()
    yield
    for name in [name for name in sys.modules if name.startswith("sample_points")]:
        del sys.modules[name]


@pytest.fixture
def operator() -> Iterator[RenewalOperator]:
    """The operator that knows of renewals."""
    running = RenewalOperator()
    yield running
    running.close()


@pytest.fixture
def story_card() -> type[StoryCard]:
    """Makes cards: name, whose key, day of issue."""
    return StoryCard


@pytest.fixture
def issuer() -> Issuer:
    """The JPKI of the story."""
    return Issuer()


@pytest.fixture
def clock() -> ManualClock:
    """The years of the story."""
    return ManualClock()


@pytest.fixture
def towns(
    tmp_path: Path,
    points_plugin: None,  # noqa: ARG001 - must be installed before a hub is opened
    clock: ManualClock,
    issuer: Issuer,
    operator: RenewalOperator,
) -> Iterator[tuple[StoryTown, StoryTown]]:
    """Two towns with the same plugins and the same clock."""
    home = StoryTown(tmp_path / HOME, HOME, clock, issuer, operator)
    clock.move(timedelta(seconds=20))
    pair = home, StoryTown(tmp_path / AWAY, AWAY, clock, issuer, operator)
    yield pair[0], pair[1]
    for town in pair:
        town.close()
