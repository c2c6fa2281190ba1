"""`mykey-plugin.toml`: what a plugin is and what it asks for, read without importing the plugin."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Sequence
from enum import StrEnum, unique
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from mykey_core.card_writing.profiles import CardProfile
from mykey_core.plugins.errors import ManifestError, explained
from mykey_core.plugins.typed_settings import Setting
from mykey_core.plugins.version import API_VERSION

MANIFEST_NAME = "mykey-plugin.toml"
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
TableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Localised = dict[Literal["ja", "en", "ja-Hira"], str]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputField(_Model):
    """One field that the service point asks for. `pattern` is a regular expression for the whole value."""

    name: Identifier
    title: Localised
    type: Literal["text", "barcode", "date", "integer"] = "text"
    required: bool = True
    pattern: str | None = None
    max_length: int = Field(default=64, ge=1, le=1000)

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            re.compile(value)
        return value


class Action(_Model):
    """What can be done at a service.

    `subject` says whose action it is: a person already `registered`, a person to `enrol`, the person of the
    running `visit`, or `none` (the staff acts, no person is concerned). `offline` lets a terminal record it while the
    hub is away: `mykey_offline_record` gets the input later, with the action's name as `act`.
    """

    name: Identifier
    title: Localised
    subject: Literal["registered", "enrol", "visit", "none"]
    fields: tuple[InputField, ...] = ()
    offline: bool = False

    @model_validator(mode="after")
    def _concerns_nobody(self) -> Self:
        if self.offline and self.subject != "none":
            raise ValueError("only an action that concerns no person can be done offline: nobody's PIN was checked")
        return self


class Service(_Model):
    """A service that terminals can offer; its name routes taps to the plugin."""

    name: Identifier
    title: Localised
    description: Localised
    needs: tuple[Literal["authentication-pin"], ...] = ("authentication-pin",)
    actions: tuple[Action, ...] = Field(min_length=1)

    def action(self, name: str) -> Action | None:
        """The action called `name`, or None."""
        return next((action for action in self.actions if action.name == name), None)


@unique
class Capability(StrEnum):
    """What a plugin can be allowed to use of its context."""

    DATABASE = "database"
    TAP = "tap"
    PAGES = "pages"
    JOBS = "jobs"
    EVENTS = "events"
    CARD_SLOT = "card-slot"
    HTTP = "http"
    AUDIT = "audit"
    PEOPLE = "people"
    OFFLINE = "offline"


REMOTE_CAPABILITIES = frozenset({
    Capability.TAP, Capability.EVENTS, Capability.HTTP, Capability.AUDIT, Capability.PEOPLE
})  # fmt: skip
"""What a plugin outside of the hub can be allowed: the names of its scopes."""

EventName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}\.[a-z][a-z0-9.-]{0,31}$")]
HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?$")]
AttributeName = Literal["name", "address", "birth_date", "sex", "age_band", "municipality"]


class Requests(_Model):
    """What the plugin asks for; it is inactive until the municipality grants all of it.

    The grant for an attribute is called `attribute:NAME`, that for a host of the network `host:NAME`, that for
    another's event `event:NAME`. Attributes and the people of a tap go together: who asks for attributes may use
    `context.people`.
    """

    capabilities: frozenset[Capability] = frozenset()
    attributes: frozenset[AttributeName] = frozenset()
    events: frozenset[EventName] = frozenset()
    hosts: frozenset[HostName] = frozenset()

    @property
    def grants(self) -> frozenset[str]:
        """The names of all grants that are needed."""
        return (
            frozenset(capability.value for capability in self.capabilities)
            | {f"attribute:{name}" for name in self.attributes}
            | {f"event:{name}" for name in self.events}
            | {f"host:{name}" for name in self.hosts}
        )

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        for name, needed in ((Capability.EVENTS, self.events), (Capability.HTTP, self.hosts)):
            if needed and name not in self.capabilities:
                raise ValueError(f"capabilities must name '{name}' where '{', '.join(sorted(needed))}' is asked for")
        return self


class Purpose(_Model):
    """What attributes are for: the citizen reads `text` and agrees to it, for `consent_days` at most."""

    name: Identifier
    text: Localised
    attributes: frozenset[AttributeName] = Field(min_length=1)
    consent_days: int = Field(default=365, ge=1, le=3650)

    @property
    def text_hash(self) -> bytes:
        """SHA-256 of what was agreed to: the text in all its languages, and the attributes."""
        agreed = {"text": self.text, "attributes": sorted(self.attributes)}
        return hashlib.sha256(json.dumps(agreed, ensure_ascii=False, sort_keys=True).encode()).digest()


def _is_address(value: str) -> str:
    """https, or plain http to this very computer for a developer; no user part, no fragment."""
    parts = urlsplit(value)
    loopback = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if not parts.hostname or not (parts.scheme == "https" or loopback):
        raise ValueError("it is an https address")
    if parts.username is not None or parts.password is not None or "#" in value or not value.isprintable():
        raise ValueError("it has no user part and no fragment")
    return value


Address = Annotated[str, Field(max_length=1000), AfterValidator(_is_address)]


class Remote(_Model):
    """`[remote]`: how a plugin with `runtime = "remote"` signs people in, is told of things, and proves itself.

    Its client id is the plugin's name. `public_key` is an Ed25519 key as JWK; whoever has its private half is the
    plugin. Addresses are compared letter by letter.
    """

    redirect_uris: tuple[Address, ...] = ()
    post_logout_redirect_uris: tuple[Address, ...] = ()
    webhook: Address | None = None
    logout_uri: Address | None = None
    public_key: dict[str, str]

    @field_validator("public_key")
    @classmethod
    def _is_ed25519(cls, value: dict[str, str]) -> dict[str, str]:
        try:
            key = OKPKey.import_key({**value})
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ValueError("it is a public Ed25519 key as JWK") from error
        if key.curve_name != "Ed25519" or key.is_private:
            raise ValueError("it is a public Ed25519 key as JWK")
        return value

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that the hub calls, as `requests.hosts` names them."""
        called = [urlsplit(address) for address in (self.webhook, self.logout_uri) if address]
        return frozenset(parts.netloc.removesuffix(":443") for parts in called)


class Shreds(_Model):
    """`[shredder]`: the tables that hold personal data; after everything was shredded they have no row.

    A shredder may also have `open_obligations(subject, database)` (protocol `Obligations`): texts that say what a
    person has to settle before they may leave by their own wish. Fields of its export are named by texts
    `export.<field>` of the plugin's catalogue.
    """

    tables: tuple[TableName, ...] = Field(min_length=1)


class Manifest(_Model):
    """The whole manifest.

    `subject_columns` names every column (`table.column`) that holds pairwise ids, so that re-keying can follow.
    `jobs` names every job that the plugin may have. With `runtime = "remote"` no code of the plugin runs in the hub,
    and `[remote]` stands in place of `package`.
    """

    name: Identifier
    title: Localised
    description: Localised
    version: str
    api: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    package: str = ""
    requests: Requests
    services: tuple[Service, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    settings: tuple[Setting, ...] = ()
    jobs: tuple[Identifier, ...] = ()
    shredder: Shreds | None = None
    runtime: Literal["local", "remote"] = "local"
    remote: Remote | None = None
    subject_columns: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")], ...] = ()
    card_profile: CardProfile | None = None
    legal_basis: Localised
    retention: Localised

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for purpose in self.purposes:
            extra = sorted(purpose.attributes - self.requests.attributes)
            if extra:
                raise ValueError(
                    f"the purpose '{purpose.name}' uses what requests.attributes lacks: {', '.join(extra)}"
                )
        self._check_runtime()
        self._check_tables("subject_columns", self.subject_columns)
        self._check_tables("shredder.tables", self.shredder.tables if self.shredder else ())
        self._check_names("settings", [setting.name for setting in self.settings])
        self._check_names("services", [service.name for service in self.services])
        return self

    def _check_runtime(self) -> None:
        if self.runtime == "local":
            if not self.package or self.remote is not None:
                raise ValueError("a plugin within the hub has a package, and no [remote]")
            return
        if self.remote is None or self.package:
            raise ValueError("a remote plugin has [remote], and no package")
        extra = sorted(self.requests.capabilities - REMOTE_CAPABILITIES)
        if extra or self.card_profile or self.jobs or self.shredder or self.subject_columns:
            raise ValueError(f"a remote plugin has no {', '.join(extra) or 'slot, jobs or tables'} within the hub")
        missing = sorted(self.remote.hosts - self.requests.hosts)
        if missing:
            raise ValueError(f"requests.hosts must name '{missing[0]}', which the hub is to call")

    def _check_tables(self, member: str, names: Sequence[str]) -> None:
        foreign = [name for name in names if not name.startswith(self.table_prefix)]
        if foreign:
            raise ValueError(f"{member} names a table that is not the plugin's own: {foreign[0]}")

    def _check_names(self, member: str, names: Sequence[str]) -> None:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{member} has '{twice[0]}' twice")

    @property
    def api_version(self) -> tuple[int, int]:
        """(major, minor) of the plugin API that the plugin was written for."""
        major, minor = self.api.split(".")
        return int(major), int(minor)

    @property
    def table_prefix(self) -> str:
        """The prefix that every table of the plugin carries."""
        return self.name.replace("-", "_") + "_"


_MODELS: tuple[type[BaseModel], ...] = (
    Manifest, Requests, Service, Action, InputField, Purpose, Setting, Shreds, CardProfile, Remote
)  # fmt: skip
_MEMBERS = [name for model in _MODELS for name in model.model_fields]


def parse_manifest(text: str, plugin: str) -> Manifest:
    """Validate a manifest; `ManifestError` names the member that is wrong."""
    try:
        manifest = Manifest.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(plugin, f"{MANIFEST_NAME} is no valid TOML: {error}") from error
    except ValidationError as error:
        raise ManifestError(plugin, f"{MANIFEST_NAME}: {explained(error, _MEMBERS)}") from error
    _check_api(manifest)
    return manifest


def _check_api(manifest: Manifest) -> None:
    major, minor = manifest.api_version
    if major != API_VERSION[0] or minor > API_VERSION[1]:
        ours = ".".join(map(str, API_VERSION))
        raise ManifestError(manifest.name, f"it is written for plugin API {manifest.api}, and this hub has {ours}")


def read_remote_manifest(path: Path, plugin: str) -> Manifest:
    """Read the manifest of a remote plugin, which the town keeps in a file."""
    if not path.is_file():
        raise ManifestError(plugin, f"its manifest {path.name} does not exist")
    manifest = parse_manifest(path.read_text(encoding="utf-8"), plugin)
    if manifest.runtime != "remote":
        raise ManifestError(plugin, "plugins.toml names a manifest file: only a remote plugin has one")
    return manifest


def read_manifest(module: str, plugin: str) -> Manifest:
    """Read the manifest beside the package of the entry point's `module` without importing the package."""
    package = module.partition(".")[0]
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ManifestError(plugin, f"its package {package} is not installed")
    path = Path(next(iter(spec.submodule_search_locations))) / MANIFEST_NAME
    if not path.is_file():
        raise ManifestError(plugin, f"there is no {MANIFEST_NAME} in {package}")
    return parse_manifest(path.read_text(encoding="utf-8"), plugin)
