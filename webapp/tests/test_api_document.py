"""The OpenAPI document: valid, the same everywhere, complete in both directions, with examples that fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from mykey_testkit.hub import HubHarness
from mykey_web.api_v1 import refusals
from mykey_web.api_v1.document import as_markdown, make_document
from mykey_web.cli import hub as hub_command
from mykey_web.pages.areas import mounted

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "http-api.md"
FOR_PROGRAMS = {"api_v1", "api_v1_remote", "oidc", "probes"}
PROGRAMS_PAGES = {"oidc_pages.authorize", "oidc_pages.logout"}
"""Pages whose address programs make: the browser is sent there with parameters."""


@pytest.fixture(scope="module")
def document() -> Any:
    """The document."""
    return make_document()


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    """(method, path, operation) of all."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_it_is_openapi(document: Any) -> None:
    """The validator of another project finds nothing."""
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_the_hub_serves_it_and_the_program_prints_it(library_hub: HubHarness, document: Any) -> None:
    """Served at its address, and printed by `mykey hub openapi`: the same document."""
    served = library_hub.app.test_client().get("/api/v1/openapi.json")
    assert served.get_json() == document
    printed = CliRunner().invoke(hub_command, ["openapi"])
    assert json.loads(printed.output) == document


def test_leaving_when_nobody_is_signed_in_is_described(library_hub: HubHarness, document: Any) -> None:
    """`GET /oidc/logout` leads away with 303 and a page of HTML: status, header and type are those of the document."""
    answer = library_hub.app.test_client().get("/oidc/logout", base_url=library_hub.origin)
    described = document["paths"]["/oidc/logout"]["get"]["responses"]
    assert answer.status_code == 303
    assert answer.mimetype in described["303"]["content"]
    assert set(described["303"]["headers"]) <= set(answer.headers.keys())
    assert set(described) == {"200", "303", "400", "500", "503"}


def test_every_route_is_described_and_nothing_else(make_hub: Any, document: Any) -> None:
    """The routes of a hub with all its plugins, and the document: each has what the other has."""
    app = make_hub("library", others=["taxi"]).app
    described = {(method.upper(), path) for method, path, _ in operations(document)}
    pages, routes = set(mounted(app)), set()
    for rule in app.url_map.iter_rules():
        blueprint = rule.endpoint.partition(".")[0]
        methods = {(method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)) for method in rule.methods or ()}
        methods = {(method, path) for method, path in methods if method not in {"HEAD", "OPTIONS"}}
        if blueprint in FOR_PROGRAMS or rule.endpoint in {*PROGRAMS_PAGES, "openapi.spec"}:
            routes |= methods
        else:
            assert blueprint in pages | {"static", "pages"}, f"{rule.endpoint} is no page and not described"
            assert not rule.rule.startswith("/api/"), rule.rule
    assert routes == described


def test_every_operation_says_what_it_is(document: Any) -> None:
    """A name of its own, a sentence, a subject, every refusal with its codes; its links lead to operations."""
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for _, path, operation in operations(document):
        assert operation["summary"], path
        assert operation["tags"], path
        for status, response in operation["responses"].items():
            assert response["description"], (path, status)
            linked = {link["operationId"] for link in response.get("links", {}).values()}
            assert linked <= set(names), path
        if path.startswith("/api/v1/") and operation.get("security"):
            assert {"401", "500", "503"} <= operation["responses"].keys(), path


def test_security_schemes_are_those_that_are_used(document: Any) -> None:
    """Each operation names a scheme that there is; enrolment, tokens and what is public name none."""
    used = {name for _, _, operation in operations(document) for line in operation.get("security", []) for name in line}
    assert used == document["components"]["securitySchemes"].keys()
    public = {path for _, path, operation in operations(document) if not operation.get("security")}
    assert {path for path in public if path.startswith("/api/v1/")} == {
        "/api/v1/openapi.json",
        "/api/v1/oauth/token",
        "/api/v1/terminals/enrolments",
    }


def test_examples_fit(document: Any) -> None:
    """Every example is what its schema says; every JSON request and reply of the API has one."""
    registry = Registry().with_resource("urn:d", Resource.from_contents(document, default_specification=DRAFT202012))
    seen = 0
    for method, path, operation in operations(document):
        for place, holder in holders(operation):
            for media_type, content in holder.get("content", {}).items():
                values = [line["value"] for line in content.get("examples", {}).values()]
                values += [content["example"]] if "example" in content else []
                assert values or not path.startswith("/api/v1/") or "json" not in media_type or "oauth" in path or (
                    path.endswith("openapi.json")
                ), (method, path, place)  # fmt: skip
                parts = ["paths", path, method, *place, "content", media_type, "schema"]
                pointer = "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)
                judge = Draft202012Validator({"$ref": f"urn:d#/{pointer}"}, registry=registry)
                for value in values:
                    judge.validate(value)
                    seen += 1
    assert seen > 150


def holders(operation: Any) -> Iterator[tuple[list[str], Any]]:
    """The request and the responses, with where they stand."""
    if "requestBody" in operation:
        yield ["requestBody"], operation["requestBody"]
    for status, response in operation["responses"].items():
        yield ["responses", status], response


def test_lists_come_in_pages(document: Any) -> None:
    """Whatever answers a list of things by GET takes `limit` and `after`, and answers `next`."""
    for method, path, operation in operations(document):
        schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        name = schema.get("$ref", "").rpartition("/")[2]
        properties = document["components"]["schemas"].get(name, {}).get("properties", {})
        lists = [one for one in properties.values() if one.get("type") == "array" and "$ref" in one.get("items", {})]
        if method == "get" and lists and path.startswith("/api/v1/"):
            assert {"limit", "after"} <= {line["name"] for line in operation["parameters"]}, path
            assert "next" in properties, path


def test_the_reference_page_has_the_routes(document: Any) -> None:
    """The tables of the page are those that `mykey hub openapi --markdown` prints."""
    assert as_markdown(document) in PAGE.read_text(encoding="utf-8")


def test_codes_that_nobody_words_are_noticed() -> None:
    """A misspelt code in the list of refusals is a fault, not a silent gap."""
    with pytest.raises(LookupError, match="tap_unkown"):
        refusals._expanded(("tap_unkown",))


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (("GET", "/api/v1/services", 418, "application/json", b"{}"), "is not described"),
        (("GET", "/api/v1/services", 200, "text/html", b"<p>"), "media type"),
        (("GET", "/api/v1/services", 200, "application/json", b"{}"), "required"),
        (("GET", "/api/v1/new", 200, "application/json", b"{}"), "is not described"),
        (("GET", "/api/v1/taps/1", 403, "application/problem+json", b'{"code": "certificate_held"}'), "required"),
    ],
)
def test_the_judge_of_all_answers_is_awake(contract: Any, answer: tuple[Any, ...], fault: str) -> None:
    """An answer that is not as described is found, whatever is wrong with it."""
    assert fault in contract.fault(*answer)
