"""Whatever is sent to a page by somebody who is signed in, the answer is no fault of the hub.

Pages are no part of the API, so the document that schemathesis plays is made here: every route of the hub's and its
plugins' pages, with forms of the names that the code reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error

import mykey_web
from mykey_testkit.browsers import PageClient, citizen_client, staff_client
from mykey_testkit.hub import HubHarness
from mykey_web.pages.areas import mounted

pytestmark = pytest.mark.timeout(600)  # seconds on a quiet machine
EXAMPLES = 2
_READ = re.compile(r"""(?:form|args|body)(?:\.get(?:list)?\(|\[)\s*"([a-z][a-z_-]*)\"""")
_ENDS = re.compile("sign-out|/end|end-others|remove|/leave")
"""Routes that end the caller's own session or right; what follows would be refused for another reason."""


@pytest.fixture(scope="module")
def names() -> list[str]:
    """The names that the hub's views read out of forms and queries."""
    sources = Path(mykey_web.__file__).parent.rglob("*.py")
    found = {name for path in sources for name in _READ.findall(path.read_text(encoding="utf-8"))}
    assert len(found) > 30
    return sorted(found)


def page_document(hub: HubHarness, names: list[str]) -> dict[str, Any]:
    """An OpenAPI document of all pages: any of these names may be in the query or the form, with any text."""
    text = {"anyOf": [{"type": "string"}, {"enum": ["1", "0", "ja", "write", "library", "2026-11-23", "clerk"]}]}
    form = {"type": "object", "properties": dict.fromkeys(names, text), "additionalProperties": False}
    body = {"content": {"application/x-www-form-urlencoded": {"schema": form}, "application/json": {"schema": form}}}
    paths: dict[str, Any] = {}
    for rule in hub.app.url_map.iter_rules():
        if rule.endpoint.partition(".")[0] not in mounted(hub.app) or _ENDS.search(rule.rule):
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        inner = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in rule.arguments
        ]
        for method in (rule.methods or set()) & {"GET", "POST"}:
            query = [{"name": name, "in": "query", "schema": text} for name in names[:: max(1, len(names) // 8)]]
            operation: dict[str, Any] = {"parameters": inner + query, "responses": {"default": {"description": "any"}}}
            if method == "POST":
                operation["requestBody"] = body
            paths.setdefault(path, {})[method.lower()] = operation
    return {"openapi": "3.1.0", "info": {"title": "pages", "version": "1"}, "paths": paths}


def send(browser: PageClient, case: Any, token: str) -> Any:
    """The request of `case` by a browser that is signed in, with the token of its forms."""
    content = {"json": case.body} if case.media_type == "application/json" else {"data": case.body}
    headers = {"X-CSRF-Token": token, "Accept": "text/html"}
    return browser._http.open(
        case.formatted_path, method=case.method, base_url=browser._base, headers=headers,
        query_string={name: value for name, value in (case.query or {}).items() if isinstance(value, str)},
        **(content if isinstance(case.body, dict) else {}),
    )  # fmt: skip


def browsers(hub: HubHarness) -> Iterator[PageClient]:
    """A citizen, and a member of staff who has every right."""
    yield citizen_client(hub, "adult")
    yield staff_client(hub, "renewed", ["clerk", "supervisor", "administrator"])


def test_no_request_to_a_page_is_a_fault(make_hub: Any, names: list[str]) -> None:
    """Citizen and staff send anything to every route: pages, redirects and refusals come back, and no 5xx."""
    hub = make_hub("library", others=["taxi"])
    document = schemathesis.openapi.from_dict(page_document(hub, names))
    reached: set[str] = set()
    for browser in browsers(hub):
        token = browser.csrf_token()
        for found in document.get_all_operations():
            reached |= play(found.ok(), browser, token)
    assert len(reached) > 60


def play(operation: Any, browser: PageClient, token: str) -> set[str]:
    """Some requests to one route; its label if one of them was answered by more than a refusal."""
    reached: set[str] = set()

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def judged(case: Any) -> None:
        answer = send(browser, case, token)
        if answer.status_code < 300:
            reached.add(operation.label)
        case.validate_response(answer, checks=[not_a_server_error])

    judged()
    return reached
