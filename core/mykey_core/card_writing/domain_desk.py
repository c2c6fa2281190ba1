"""The issuer security domain of one card under the hands of the writer: reading it, and doing one step of a plan.

The counterpart of `desk.py`, which works on our application. It decides nothing.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, Self

from mykey_cardap.errors import ApduError, CardError
from mykey_cardap.globalplatform.command_data import StoreFormat
from mykey_cardap.globalplatform.domain_reader import DataObject
from mykey_cardap.globalplatform.handshake import CardHello
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.registry import CardState, Scope
from mykey_cardap.globalplatform.security_domain import SecurityDomainSession
from mykey_cardap.service_application import ServiceDirectory
from mykey_cardap.service_application.errors import ServiceNotOnCardError
from mykey_cardap.service_application.numbers import AID, ROOT_SERVICE, Role
from mykey_cardap.service_application.profile import ServiceHeader
from mykey_cardap.transport import Transport
from mykey_core.card_writing.card_state import DomainState
from mykey_core.card_writing.desk import reading, writing
from mykey_core.card_writing.errors import CardKeysUnavailable, WritingCode, WritingRefused
from mykey_core.card_writing.keys.provider import CardKeyProvider
from mykey_core.card_writing.keys.slots import KeySlot
from mykey_core.card_writing.keys.software import SoftwareKeySet
from mykey_core.card_writing.plan import Step, StepKind
from mykey_core.errors import ConfigurationError

LOAD_FILE: Final = AID + b"\x00"
MODULE: Final = AID + b"\x01"
_SETTING: Final = "issuer_keys"
_ISSUER_BYTES: Final = 3


@dataclass(frozen=True, slots=True)
class IssuerKeySet:
    """One key set of issuer domains: the same key three times (`static`), or a master (`kdf3`, reference §4.5)."""

    version: int
    key: bytes = field(repr=False)
    diversified: bool = False

    def of(self, diversification: bytes) -> ScpKeys:
        """The keys of one card, by the ten bytes with which it answers INITIALIZE UPDATE."""
        if self.diversified:
            return ScpKeys.from_master(self.key, diversification)
        return ScpKeys(self.key, self.key, self.key)


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """What cards come with, and what they shall have afterwards (None: they keep what they have)."""

    current: IssuerKeySet
    wanted: IssuerKeySet | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a JSON file of mode 0600; `ConfigurationError` says what is wrong with it, and quotes nothing.

        `{"current": {"version": 48, "scheme": "static" | "kdf3", "key": HEX}, "wanted": {…}}`
        """
        try:
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigurationError(_SETTING, "others can read it: set its mode to 0600")
            table = json.loads(path.read_text(encoding="ascii"))
            current = _key_set(table["current"])
            wanted = _key_set(table["wanted"]) if "wanted" in table else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(_SETTING, _FORM) from error
        if wanted is not None and (wanted.version == current.version or len(wanted.key) != len(current.key)):
            raise ConfigurationError(_SETTING, "the wanted keys need a version of their own, and the same length")
        return cls(current, wanted)


_FORM: Final = 'a JSON file with {"current": {"version": 48, "scheme": "static" or "kdf3", "key": hexadecimal}}'


def _key_set(table: dict[str, Any]) -> IssuerKeySet:
    found = IssuerKeySet(int(table["version"]), bytes.fromhex(table["key"]), table["scheme"] == "kdf3")
    if table["scheme"] not in {"static", "kdf3"} or not 0 < found.version < 0x80:  # noqa: PLR2004 - key versions
        raise ValueError
    found.of(bytes(10))  # the right sizes
    return found


class _Issue(Protocol):
    @property
    def serial(self) -> bytes: ...
    @property
    def issuer(self) -> int: ...
    @property
    def generation(self) -> int: ...
    @property
    def code(self) -> bytes: ...


class DomainDesk:
    """One card with an issuer domain. `issuer_keys` open it, `provider` gives our application its card-level key."""

    def __init__(self, transport: Transport, issuer_keys: IssuerKeys, provider: CardKeyProvider, *, owner: int) -> None:
        self._transport = transport
        self._issuer_keys = issuer_keys
        self._provider = provider
        self._owner = owner
        self._domain: SecurityDomainSession | None = None

    @property
    def wanted_version(self) -> int | None:
        """The version of the issuer keys that the card shall have."""
        return self._issuer_keys.wanted.version if self._issuer_keys.wanted else None

    def close(self) -> None:
        """Forget the session's keys."""
        if self._domain is not None:
            self._domain.secure_channel.close()
            self._domain = None

    def read(self, serial: bytes) -> DomainState:
        """What the card has. The session that this opens stays open for the steps.

        A card that carries our application under another serial, or of another town, is refused before any proof.
        """
        with reading():
            self.close()
            generation = self._generation(serial)
            domain = self._open()
            applications = {entry.aid: entry.state for entry in domain.registry(Scope.APPLICATIONS, AID)}
            files = {entry.aid for entry in domain.registry(Scope.LOAD_FILES, LOAD_FILE)}
            card = domain.registry(Scope.ISSUER_DOMAIN)
            versions = sorted({key.version for key in domain.key_information()})
        life = card[0].state if card else CardState.OP_READY
        return DomainState(life, tuple(versions), LOAD_FILE in files, applications.get(AID), generation)

    def _generation(self, serial: bytes) -> int:
        """The card-level key's generation; 0 when there is none, or no application."""
        header = application_header(self._transport)
        if header is None:
            return 0
        if header.serial != serial or header.issuer != self._owner:
            raise WritingRefused(WritingCode.CARD_NOT_OURS, "the application has another serial or town")
        return header.generations[0]

    def _open(self) -> SecurityDomainSession:
        """Select and authenticate, with the wanted keys when the card says that it has them (after a doubt, too)."""
        domain = SecurityDomainSession(self._transport)
        versions = {key.version for key in domain.key_information()}
        sets = (self._issuer_keys.wanted, self._issuer_keys.current)
        chosen = next((keys for keys in sets if keys is not None and keys.version in versions), None)
        if chosen is None:
            raise WritingRefused(WritingCode.CARD_KEYS_UNKNOWN, f"issuer keys {sorted(versions)}")
        domain.authenticate(_by_card(chosen), key_version=chosen.version)
        self._domain = domain
        return domain

    def do(self, step: Step, job: _Issue) -> None:
        """Do one step of a plan; `WritingRefused` when the card refused and nothing changed."""
        if self._domain is None:
            with reading():
                self._open()
        domain = self._domain
        assert domain is not None  # noqa: S101 - opened above
        block = self._personalization(job) if step.kind is StepKind.PERSONALIZE else b""
        with writing():
            match step.kind:
                case StepKind.ISSUER_KEYS:
                    self._put_issuer_keys(domain)
                case StepKind.LOAD:
                    domain.install_for_load(LOAD_FILE)
                    domain.load(job.code)
                case StepKind.INSTALL:
                    parameters = job.serial + job.issuer.to_bytes(_ISSUER_BYTES, "big")
                    domain.install(LOAD_FILE, MODULE, AID, parameters=parameters)
                case StepKind.SELECTABLE:
                    domain.make_selectable(AID)
                case StepKind.PERSONALIZE:
                    domain.personalize(AID, block, form=StoreFormat.UNSTRUCTURED)
                case _:
                    domain.set_card_state(CardState(step.service))

    def _put_issuer_keys(self, domain: SecurityDomainSession) -> None:
        """Replace the key set that the session was opened with; the next command opens a session with the new one."""
        wanted = self._issuer_keys.wanted
        assert wanted is not None  # noqa: S101 - the plan has this step only then
        hello = domain.secure_channel.hello
        domain.put_keys(wanted.of(hello.diversification), version=wanted.version, replaces=hello.key_version)
        self.close()

    def _personalization(self, job: _Issue) -> bytes:
        """Generation ‖ ENC ‖ MAC ‖ DEK ‖ check values, which travels in the domain's secure session."""
        slot = KeySlot(job.issuer, ROOT_SERVICE, Role.ADMIN, job.generation, job.serial)
        managed = self._provider.key_set(slot)
        if not isinstance(managed, SoftwareKeySet):
            managed.close()
            raise CardKeysUnavailable(
                job.generation, "keys that never leave their token cannot be the first of a card: use pkcs11-sign"
            )
        keys = managed.keys
        return bytes((slot.generation,)) + keys.enc + keys.mac + keys.dek + b"".join(keys.check_values())


def _by_card(keys: IssuerKeySet) -> Callable[[CardHello], ScpKeys]:
    return lambda hello: keys.of(hello.diversification)


def application_header(transport: Transport) -> ServiceHeader | None:
    """What our application tells without keys; None when the card does not have it. Raises `CardError`."""
    try:
        return ServiceDirectory(transport).header
    except ServiceNotOnCardError:
        return None


def chip_number(transport: Transport) -> bytes | None:
    """What names a card that is not ours yet: its card image number (0045), or else its diversification data (00CF)."""
    try:
        domain = SecurityDomainSession(transport)
    except CardError:
        return None
    for tag in (DataObject.CARD_IMAGE_NUMBER, DataObject.DIVERSIFICATION):
        try:
            return domain.get_data(tag)
        except ApduError:
            continue
    return None


__all__ = ["DomainDesk", "IssuerKeySet", "IssuerKeys", "application_header", "chip_number"]
