"""`mykey-plugin.toml`: what a plugin is and what it asks for, read without importing the plugin."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mykey_core.card_writing.profiles import CardProfile
from mykey_core.plugins.errors import ManifestError
from mykey_core.plugins.version import API_VERSION

MANIFEST_NAME = "mykey-plugin.toml"
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
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
    running `visit`, or `none` (the staff acts, no person is concerned).
    """

    name: Identifier
    title: Localised
    subject: Literal["registered", "enrol", "visit", "none"]
    fields: tuple[InputField, ...] = ()


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


AttributeName = Literal["name", "address", "birth_date", "sex", "age_band", "municipality"]


class Requests(_Model):
    """What the plugin asks for; it is inactive until the municipality grants all of it.

    The grant for an attribute is called `attribute:NAME`.
    """

    capabilities: frozenset[Literal["database", "tap"]] = frozenset()
    attributes: frozenset[AttributeName] = frozenset()

    @property
    def grants(self) -> frozenset[str]:
        """The names of all grants that are needed."""
        return self.capabilities | {f"attribute:{name}" for name in self.attributes}


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


class Manifest(_Model):
    """The whole manifest.

    `subject_columns` names every column (`table.column`) that holds pairwise ids, so that re-keying can follow.
    """

    name: Identifier
    title: Localised
    description: Localised
    version: str
    api: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    package: str
    requests: Requests
    services: tuple[Service, ...] = ()
    purposes: tuple[Purpose, ...] = ()
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
        foreign = [name for name in self.subject_columns if not name.startswith(self.table_prefix)]
        if foreign:
            raise ValueError(f"subject_columns names a table that is not the plugin's own: {foreign[0]}")
        return self

    @property
    def api_version(self) -> tuple[int, int]:
        """(major, minor) of the plugin API that the plugin was written for."""
        major, minor = self.api.split(".")
        return int(major), int(minor)

    @property
    def table_prefix(self) -> str:
        """The prefix that every table of the plugin carries."""
        return self.name.replace("-", "_") + "_"


def parse_manifest(text: str, plugin: str) -> Manifest:
    """Validate a manifest; `ManifestError` names the member that is wrong."""
    try:
        manifest = Manifest.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(plugin, f"{MANIFEST_NAME} is no valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ManifestError(plugin, f"{MANIFEST_NAME}: {place}: {first['msg']}") from error
    _check_api(manifest)
    return manifest


def _check_api(manifest: Manifest) -> None:
    major, minor = manifest.api_version
    if major != API_VERSION[0] or minor > API_VERSION[1]:
        ours = ".".join(map(str, API_VERSION))
        raise ManifestError(manifest.name, f"it is written for plugin API {manifest.api}, and this hub has {ours}")


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
