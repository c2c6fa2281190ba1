"""The OpenAPI document without a hub, for `mykey hub openapi`, and the tables of `docs/reference/http-api.md`."""

from __future__ import annotations

from typing import Any, cast

from apiflask import APIFlask

from mykey_core.hub import Hub
from mykey_web.api_v1.blueprint import make_api
from mykey_web.api_v1.description import SPEC_PATH, describe
from mykey_web.api_v1.remote import make_remote_api
from mykey_web.late_rules import Application
from mykey_web.oidc.server import Provider

Json = dict[str, Any]


class _Nowhere:
    """Stands where a hub would: the routes are described, and none of them is ever called."""

    def __getattr__(self, name: str) -> _Nowhere:
        return self


def new_app() -> APIFlask:
    """An application that describes its API; routes and everything else are for the caller to add."""
    app = Application(
        "mykey_web", title="mykey hub", version="1", spec_path=SPEC_PATH, docs_path=None, json_errors=False
    )
    describe(app)
    return app


def make_document() -> Json:
    """The document, the same as every hub serves at `/api/v1/openapi.json`."""
    app, nowhere = new_app(), _Nowhere()
    app.config["MAX_CONTENT_LENGTH"] = 0
    app.register_blueprint(make_api(app, cast(Hub, nowhere)))
    app.register_blueprint(make_remote_api(cast(Provider, nowhere)))
    return cast(Json, app.spec)


def as_markdown(document: Json) -> str:
    """The tables of all operations, by subject, as they stand in the reference page."""
    return "\n\n".join(_table(document, tag) for tag in _tags(document)) + "\n"


def _tags(document: Json) -> list[str]:
    tags = [operation["tags"][0] for methods in document["paths"].values() for operation in methods.values()]
    return list(dict.fromkeys(tags))


def _table(document: Json, tag: str) -> str:
    rows = [
        _row(method, path, operation)
        for path, methods in sorted(document["paths"].items())
        for method, operation in methods.items()
        if operation["tags"][0] == tag
    ]
    return "\n".join(
        [f"### {tag[0].upper()}{tag[1:]}", "", "| call | what it does | who | answers |", "|---|---|---|---|", *rows]
    )


def _row(method: str, path: str, operation: Json) -> str:
    who = ", ".join(name for needed in operation.get("security", []) for name in needed) or "everybody"
    answers = " ".join(sorted(operation["responses"]))
    return f"| `{method.upper()} {path}` | {operation['summary'].rstrip('.')} | {who} | {answers} |"
