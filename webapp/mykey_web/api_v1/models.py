"""The bodies of the API: requests are checked by these models, and the OpenAPI document is made from them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """Requests with unknown members are refused, so that a misspelt member is noticed."""

    model_config = ConfigDict(extra="forbid")


class EnrolmentRequest(Model):
    """A terminal gives its one-time code and the public half of its device key (JWK, OKP, Ed25519)."""

    code: str = Field(min_length=4, max_length=64)
    public_key: dict[str, str]
    name: str = Field(min_length=1, max_length=200)
    version: str = Field(min_length=1, max_length=40)


class ServicePointView(Model):
    """Where the terminal stands; `title` is in the language of the request."""

    name: str
    title: str


class EnrolmentReply(Model):
    """`audience` is the `aud` of client assertions; `origin` is what cards will sign for this hub.

    `configuration_key` is the public key (JWK) by which the terminal knows the hub's configurations.
    """

    terminal_id: str
    municipality: str
    service_point: ServicePointView
    services: list[str]
    token_endpoint: str
    audience: str
    origin: str
    configuration_key: dict[str, str]


class TapRequestBody(Model):
    """Asking for a tap: the service, the action and its fields."""

    service: str = Field(max_length=64)
    action: str = Field(default="open", max_length=64)
    input: dict[str, str] = Field(default_factory=dict, max_length=32)


class ChallengeReply(Model):
    """The card signs hash(origin) ‖ hash(nonce) within five minutes; `needs` says what the service wants."""

    tap_id: str
    nonce: str
    origin: str
    expires_at: str
    needs: list[str]


_WEB_EID: dict[str, Any] = {
    "format": {"type": "string", "description": "web-eid:1.0"},
    "unverifiedCertificate": {"type": "string", "description": "DER, in base64"},
    "algorithm": {"type": "string", "description": "RS256, ES256 or ES384"},
    "signature": {"type": "string", "description": "over hash(origin) ‖ hash(nonce), in base64"},
}


class ProofRequest(Model):
    """`token` is the Web eID token object; it is checked by the verifier, member by member.

    `attributes` is `{"signature_token": …}`, a second token over the same nonce by the card's signature certificate.
    """

    token: dict[str, Any] = Field(json_schema_extra={"properties": _WEB_EID})
    attributes: dict[str, Any] | None = None


class ResultReply(Model):
    """`result` is what the plugin answered, in the language of the request."""

    tap_id: str | None
    state: Literal["done"]
    result: dict[str, Any]


class StatusReply(Model):
    """What became of a tap: its result when it is done, the problem when it was refused."""

    tap_id: str
    state: Literal["open", "done", "refused", "expired"]
    result: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None


class ActionRequest(Model):
    """An action without a new tap: for the person of `visit_id`, or of the staff."""

    service: str = Field(max_length=64)
    action: str = Field(max_length=64)
    input: dict[str, str] = Field(default_factory=dict, max_length=32)
    visit_id: str | None = Field(default=None, max_length=36)


class FieldView(Model):
    """A field to ask for."""

    name: str
    title: str
    type: str
    required: bool
    pattern: str | None
    max_length: int


class ActionView(Model):
    """An action and whose it is; `offline`: a terminal may record it while the hub is away."""

    name: str
    title: str
    subject: str
    fields: list[FieldView]
    offline: bool = False


class ServiceView(Model):
    """A service that this terminal may offer."""

    service: str
    title: str
    description: str
    needs: list[str]
    actions: list[ActionView]


class MunicipalityView(Model):
    """The town: its six-digit code, and its name in the language of the request."""

    code: str
    title: str


class ServicesReply(Model):
    """The terminal's service point and its services, in the language of the request.

    `next` is the `after` of the next page, null on the last one.
    """

    municipality: MunicipalityView
    service_point: ServicePointView
    services: list[ServiceView]
    next: str | None = None


class TokenReply(Model):
    """An access token (RFC 6749 §5.1) for five minutes."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
