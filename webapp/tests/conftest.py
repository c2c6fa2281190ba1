"""Every answer of the API that any test of this folder sees is held to the OpenAPI document, by `jsonschema`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import flask
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from mykey_testkit.hub import LIBRARY, ORIGIN, HubHarness
from mykey_testkit.postgres import DatabaseUrls
from mykey_web.api_v1.document import make_document

_DOCUMENT = "urn:mykey:openapi"
_FESTIVAL = Path(__file__).parents[2] / "tests" / "remote_sample" / "festival.toml"
_GRANTS = '"tap", "audit", "events", "people", "http", "attribute:municipality", "host:festival.example.jp"'
_PARAMETER = re.compile(r"\{[a-z_]+\}")


class Contract:
    """The document as a judge of answers."""

    def __init__(self) -> None:
        self.document = make_document()
        self._registry = Registry().with_resource(
            _DOCUMENT, Resource.from_contents(self.document, default_specification=DRAFT202012)
        )
        self._paths = [
            (re.compile(_PARAMETER.sub("[^/]+", re.escape(path).replace(r"\{", "{").replace(r"\}", "}"))), path)
            for path in sorted(self.document["paths"], key=lambda path: "{" in path)
        ]

    def fault(self, method: str, path: str, status: int, media_type: str, body: bytes) -> str | None:
        """What is wrong with an answer; None when it is as described, or when the path is none of the API."""
        template = next((known for pattern, known in self._paths if pattern.fullmatch(path)), None)
        operation = self.document["paths"].get(template or "", {}).get(method.lower())
        if operation is None:
            strange = path.startswith("/api/v1/") and not path.startswith("/api/v1/plugins/")
            return f"{method} {path} is not described and answers {status}" if strange and status < 400 else None
        here = f"{method} {template}: {status}"
        response = operation["responses"].get(str(status))
        if response is None:
            return f"{here} is not described"
        content = response.get("content", {})
        if media_type not in content:
            return f"{here} has the media type {media_type!r}" if body else None
        if "json" not in media_type:
            return None
        errors = list(
            self._validator(template or "", method.lower(), str(status), media_type).iter_errors(json.loads(body))
        )
        return f"{here}: {errors[0].json_path} {errors[0].message}" if errors else None

    def _validator(self, *parts: str) -> Validator:
        path, method, status, media_type = (part.replace("~", "~0").replace("/", "~1") for part in parts)
        pointer = f"{_DOCUMENT}#/paths/{path}/{method}/responses/{status}/content/{media_type}/schema"
        return Draft202012Validator({"$ref": pointer}, registry=self._registry)


@pytest.fixture(scope="session")
def contract() -> Contract:
    """The document as a judge."""
    return Contract()


@pytest.fixture(autouse=True)
def answers_are_as_described(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The faults that were found; a test whose requests get an answer that is not described fails."""
    faults: list[str] = []
    call = flask.Flask.__call__

    def watched(app: flask.Flask, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        head: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            head[:] = [int(status[:3]), {name.lower(): value for name, value in headers}]
            return start_response(status, headers, *rest)

        answer = call(app, environ, start)
        if environ.get("SCRIPT_NAME") or method in {"HEAD", "OPTIONS"}:
            return answer
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        fault = contract.fault(method, path, head[0], head[1].get("content-type", "").partition(";")[0], body)
        if fault is not None:
            faults.append(fault)
        return [body]

    monkeypatch.setattr(flask.Flask, "__call__", watched)
    yield faults
    assert sorted(set(faults)) == []


@pytest.fixture
def festival_key() -> OKPKey:
    """The key of the plugin that runs outside of the hub."""
    return OKPKey.generate_key("Ed25519")


@pytest.fixture
def festival_hub(festival_key: OKPKey) -> Callable[[Path, DatabaseUrls | None], HubHarness]:
    """Make a hub with the library and with a plugin that runs outside of it, without sockets."""

    def make(folder: Path, database: DatabaseUrls | None = None) -> HubHarness:
        text = _FESTIVAL.read_text(encoding="utf-8").replace("PLUGIN", "https://festival.example.jp")
        text = text.replace("HOST", "festival.example.jp").replace("PUBLIC", str(festival_key.as_dict()["x"]))
        manifest = folder / "festival.toml"
        manifest.write_text(text.replace('["tap", "audit"', '["tap", "audit", "events"'), encoding="utf-8")
        festival = f'[plugins.festival]\nmanifest = "{manifest}"\ngrants = [{_GRANTS}]\n'
        services = ["library-desk", "festival-desk", "card-counter"]
        return HubHarness(folder, LIBRARY + festival, services, database=database)

    return make


@pytest.fixture
def festival_headers(festival_key: OKPKey) -> Callable[[HubHarness], dict[str, str]]:
    """Get a token of the remote plugin with all scopes; the headers of its calls."""

    def sign_in(hub: HubHarness) -> dict[str, str]:
        now = int(time.time())
        claims = {"iss": "festival", "sub": "festival", "aud": f"{ORIGIN}/oidc/token", "iat": now, "exp": now + 60}
        form = {
            "grant_type": "client_credentials",
            "scope": "audit events people",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode(
                {"alg": "Ed25519"}, {**claims, "jti": str(uuid4())}, festival_key, ["Ed25519"]
            ),
        }
        answer = hub.app.test_client().post("/oidc/token", base_url=ORIGIN, data=form).get_json()
        return {"Authorization": f"Bearer {answer['access_token']}"}

    return sign_in
