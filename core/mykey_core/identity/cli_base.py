"""What the commands of `mykey identity` share: JSON in, JSON out, and refusals as JSON with exit status 1."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import click
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from mykey_cardap.kinds import CertificateKind
from mykey_core.errors import MykeyError, Refusal
from mykey_core.hub import Hub, open_hub
from mykey_core.identity.enrolment import Proof
from mykey_core.settings import HubSettings, load_settings
from mykey_core.trust import fast_path
from mykey_core.trust.end_entity import AUTHENTICATION_POLICY
from mykey_core.trust.revocation.budget import RiskClass
from mykey_core.trust.store import TrustStore
from mykey_core.trust.types import ValidatedCertificate

M = TypeVar("M", bound=BaseModel)


class Input(BaseModel):
    """What a command reads: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _der(value: object) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except binascii.Error as error:
        raise ValueError("base64 of a certificate in DER is expected") from error


Der = Annotated[bytes, BeforeValidator(_der)]


def config_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--config FILE`."""
    default = Path("hub.toml")
    return click.option("--config", type=click.Path(path_type=Path), default=default, help="The hub's settings.")(
        command
    )


def input_argument(command: Callable[..., None]) -> Callable[..., None]:
    """The file with the JSON input; standard input when it is left out or `-`."""
    return click.argument("source", metavar="[FILE]", type=click.File("r", encoding="utf-8"), default="-")(command)


def json_command(command: Callable[..., Any]) -> Callable[..., None]:
    """Print what `command` returns as JSON; a refusal as `{"error": {"code", "detail"}}` with exit status 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            answer = command(*args, **kwargs)
        except Refusal as refusal:
            _print({"error": {"code": refusal.code, "detail": refusal.detail}})
            sys.exit(1)
        except MykeyError as error:
            _print({"error": {"code": type(error).__name__, "detail": str(error)}})
            sys.exit(1)
        _print(answer)

    return run


def _print(answer: Any) -> None:
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2))


def read_input(source: Any, model: type[M]) -> M:
    """The JSON of `source`; `input_invalid` names the members that are wrong, never what they held."""
    try:
        return model.model_validate_json(source.read())
    except ValidationError as error:
        wrong = sorted({".".join(str(part) for part in line["loc"]) or "JSON" for line in error.errors()})
        raise Refusal("input_invalid", ", ".join(wrong)) from None


@contextmanager
def opened(config: Path) -> Iterator[Hub]:
    """The hub of a settings file."""
    hub = open_hub(load_settings(config))
    try:
        yield hub
    finally:
        hub.close()


def validated(settings: HubSettings, der: bytes, now: datetime) -> ValidatedCertificate:
    """An authentication certificate whose path has been checked: serials alone prove nothing."""
    store = TrustStore.from_pem(settings.trust.authentication_ca, allow_emulated=settings.synthetic)
    kind = CertificateKind.AUTHENTICATION
    return fast_path.validate(der, store=store, kind=kind, policy_oids=frozenset({AUTHENTICATION_POLICY}), now=now)


def proof_of(hub: Hub, kind: CertificateKind, token: dict[str, Any], nonce: str) -> Proof:
    """The proof in a token over `nonce`; `TokenRefused` when it does not hold."""
    now = hub.clock()
    logins = hub.logins
    verifier = logins.signature if kind is CertificateKind.SIGNATURE else logins.authentication[RiskClass.HIGH]
    if verifier is None:
        raise Refusal("input_invalid", "no CA for signature certificates is pinned: set identity.signature_ca")
    return Proof(verifier.verify_members(token, nonce, now).certificate, nonce, now)
