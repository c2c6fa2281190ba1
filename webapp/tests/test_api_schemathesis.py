"""The OpenAPI document is complete and true: schemathesis plays every operation against it, with all its checks.

The judge reads the served document and knows nothing else of us; the terminal is a real one with a real token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup

from mykey_core.terminals.configuration import ConfigurationService
from mykey_core.terminals.reports import TerminalReports
from mykey_testkit.hub import HubHarness

EXAMPLES = 12
RULES = ["2xx", "401", "403", "404", "409", "410", "422", "503"]
"""What a body that fits its schema may get: refusals by rules that no schema can say, such as an unknown service."""
OAUTH = "/api/v1/oauth/token"


@pytest.fixture
def terminal_headers(library_hub: HubHarness) -> dict[str, str]:
    """The headers of an enrolled terminal with its access token."""
    return dict(library_hub.terminal().headers)


def operations(hub: HubHarness) -> Iterator[Any]:
    """Every operation of the served document. An assertion that is none gets 400, as RFC 6749 §5.2 has it."""
    for path, accepted in (("", RULES), (OAUTH, [*RULES, "400"])):
        config = SchemathesisConfig.from_dict({"checks": {"positive_data_acceptance": {"expected-statuses": accepted}}})
        document = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", hub.app, config=config)
        for found in document.get_all_operations():
            operation = found.ok()
            if (operation.path == OAUTH) == bool(path):
                yield operation


def play(operation: Any, headers: dict[str, str], examples: int) -> set[int]:
    """Fitting and unfitting requests for one operation, all checks; the statuses that were seen."""
    seen: set[int] = set()

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def judged(case: Any) -> None:
        own = {} if "/oauth/" in case.path or "enrolments" in case.path else headers
        seen.add(case.call_and_validate(headers=own).status_code)

    judged()
    return seen


def test_the_document_is_openapi(library_hub: HubHarness) -> None:
    """The standard's own validator finds nothing; every operation says what it is and how it ends."""
    document = library_hub.app.test_client().get("/api/v1/openapi.json").get_json()
    validate(document)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["responses"], path


def test_schemathesis_finds_nothing(library_hub: HubHarness, terminal_headers: dict[str, str]) -> None:
    """No answer with 5xx but the declared, no content type, status or body that the document does not know."""
    seen = {
        f"{operation.method} {operation.path}": play(operation, terminal_headers, EXAMPLES)
        for operation in operations(library_hub)
        if "/remote/" not in operation.path
    }
    assert len(seen) >= 17
    assert 200 in seen["get /api/v1/services"]
    assert 200 in seen["post /api/v1/terminal/report"]
    assert 401 not in seen["post /api/v1/taps"]


def test_the_judge_is_awake(
    library_hub: HubHarness, terminal_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that is not what the document says is found."""
    monkeypatch.setattr(TerminalReports, "take", lambda *_: None)
    monkeypatch.setattr(ConfigurationService, "sequence", lambda *_: "three")
    (operation,) = (one for one in operations(library_hub) if one.path == "/api/v1/terminal/report")
    with pytest.raises(FailureGroup) as found:
        play(operation, terminal_headers, EXAMPLES)
    assert "ServerError" in [type(one).__name__ for one in found.value.exceptions]
