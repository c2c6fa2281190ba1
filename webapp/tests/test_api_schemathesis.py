"""The OpenAPI document is complete and true: schemathesis plays every operation against it, with all its checks.

The judge reads the served document and knows nothing else of us. Callers are real: an enrolled terminal, a remote
plugin with its token, and a clerk's browser. SQLite here; the same on PostgreSQL, and longer, at night.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup

from mykey_core.card_writing.keys.generations import Generations
from mykey_core.card_writing.keys.software import load_card_keys
from mykey_core.card_writing.profiles import DEMO
from mykey_core.terminals.configuration import ConfigurationService
from mykey_core.terminals.reports import TerminalReports
from mykey_testkit.card_writing import MASTERS
from mykey_testkit.hub import HubHarness
from mykey_testkit.postgres import DatabaseUrls, fresh_database
from mykey_web.api_v1.document import make_document

pytestmark = pytest.mark.timeout(600)  # seconds on a quiet machine; what is waited for are thousands of requests
FestivalHub = Callable[[Path, DatabaseUrls | None], HubHarness]
Tokens = Callable[[str], Mapping[str, str]]
SPEC = "/api/v1/openapi.json"
EXAMPLES, LONG, SCENARIOS = 8, 150, 8
OAUTH = "/api/v1/oauth/token"
RULES = ["2xx", "3xx", "400", "401", "403", "404", "409", "410", "422", "503"]
"""What a request that fits its schema may get: refusals by rules that no schema can say, such as an unknown service."""
NO_FAULT = ["2xx", "3xx", "4xx", "503"]
"""503 is described where it can be: no keys for cards, no data about revocation."""
CHECKED = {
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "positive_data_acceptance", "missing_required_header",
    "unsupported_method", "allow_header_conformance", "use_after_free", "ensure_resource_availability",
    "ignored_auth", "object_level_authorization",
}  # fmt: skip
"""All checks that schemathesis has but one: `max_response_time` is off, for no test measures time."""
FOREIGN = {
    # RFC 6749 §3.1 and §3.2: unknown parameters are ignored; what is wrong goes back to the client by a redirect.
    "negative_data_rejection": {"enabled": False},
}
"""What does not hold for the endpoints whose form is another standard's."""


BEGINNINGS = {
    "/api/v1/taps": {"service": "festival-desk", "action": "join", "input": {}},
}


def config(**checks: Any) -> SchemathesisConfig:
    """All checks, with what a fitting request may be answered."""
    rules = {
        "positive_data_acceptance": {"expected-statuses": RULES},
        "not_a_server_error": {"expected-statuses": NO_FAULT},
    }
    return SchemathesisConfig.from_dict({"checks": {**rules, **checks}})


def is_foreign(path: str) -> bool:
    """Whether another standard says what stands in requests."""
    return path == OAUTH or path.startswith("/oidc/")


def load(hub: HubHarness, tokens: Tokens, **checks: Any) -> Any:
    """The served document, whose operations are called by those for whom they are."""
    document = schemathesis.openapi.from_wsgi(SPEC, hub.app, config=config(**checks))

    @document.auth(refresh_interval=None)
    class Caller:
        def get(self, case: Any, context: Any) -> Mapping[str, str]:  # noqa: ARG002 - schemathesis's names
            return tokens(case.path)

        def set(self, case: Any, data: Mapping[str, str], context: Any) -> None:  # noqa: ARG002 - the same
            case.headers.update(data)

    return document


def operations(hub: HubHarness, tokens: Tokens) -> Iterator[Any]:
    """Every operation of the served document."""
    for foreign in (False, True):
        for found in load(hub, tokens, **(FOREIGN if foreign else {})).get_all_operations():
            operation = found.ok()
            if is_foreign(operation.path) is foreign:
                yield operation


def play(operation: Any, examples: int) -> set[int]:
    """Fitting and unfitting requests for one operation, all checks; the statuses that were seen."""
    seen: set[int] = set()

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def judged(case: Any) -> None:
        seen.add(case.call_and_validate().status_code)

    judged()
    return seen


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.nightly])])
def database(request: pytest.FixtureRequest) -> DatabaseUrls | None:
    """Where the hub keeps its data."""
    return None if request.param == "sqlite" else fresh_database(request.getfixturevalue("postgres_server"))


@pytest.fixture
def town(tmp_path: Path, festival_hub: FestivalHub, database: DatabaseUrls | None) -> Iterator[HubHarness]:
    """A hub with the library and with a plugin that runs outside of it."""
    hub = festival_hub(tmp_path, database)
    hub.import_library()
    let_it_write_cards(hub)
    yield hub
    hub.close()


def let_it_write_cards(town: HubHarness) -> None:
    """Keys for cards, and a profile for one plugin, as in `test_api_writing`."""
    keys = load_card_keys(town.hub.settings.card_writing.keys_file)
    keys.add_master(1, MASTERS[1])
    with town.hub.database.writing() as session:
        Generations(town.municipality).add(session, 1, keys, town.clock())
    context = town.hub.plugins.plugins["library"].context
    object.__setattr__(context, "manifest", context.manifest.model_copy(update={"card_profile": DEMO}))


@pytest.fixture
def tokens(town: HubHarness, festival_headers: Callable[[HubHarness], dict[str, str]]) -> Tokens:
    """Path → the headers of the caller for whom the path is."""
    terminal, remote = dict(town.terminal().headers), festival_headers(town)

    def of(path: str) -> Mapping[str, str]:
        if path.startswith("/api/v1/remote/"):
            return remote
        with_token = path.startswith("/api/v1/") and path not in {SPEC, OAUTH, "/api/v1/terminals/enrolments"}
        return terminal if with_token else {}

    return of


def test_all_checks_are_on() -> None:
    """A check that a newer schemathesis brings is looked at before it counts as done."""
    load_all_checks()
    assert set(CHECKS.get_all_names()) == CHECKED
    used = schemathesis.openapi.from_dict(make_document(), config=config()).config.checks_config_for()
    assert {name for name in CHECKED if not used.get_by_name(name=name).enabled} == set()


def judge_all(town: HubHarness, tokens: Tokens, examples: int) -> None:
    """Every operation, as its caller."""
    seen = {f"{operation.method} {operation.path}": play(operation, examples) for operation in operations(town, tokens)}
    paths = town.app.test_client().get(SPEC).get_json()["paths"]
    assert len(seen) == sum(map(len, paths.values())) - 1  # schemathesis leaves out where it has the document from
    for path in ("services", "remote/people"):
        assert 200 in seen[f"get /api/v1/{path}"], path
    assert {204} <= seen["post /api/v1/remote/events"] | seen["post /api/v1/remote/audit-records"]
    assert 200 in seen["post /api/v1/terminal/report"]
    assert 201 in seen["post /api/v1/taps"] & seen["post /api/v1/card-writings"]
    assert 401 not in seen["post /api/v1/taps"]


def test_schemathesis_finds_nothing(town: HubHarness, tokens: Tokens) -> None:
    """No answer with 5xx but the declared, no content type, status, header or body that the document does not know."""
    judge_all(town, tokens, EXAMPLES)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_schemathesis_finds_nothing_in_a_long_run(town: HubHarness, tokens: Tokens) -> None:
    """The same with many more requests."""
    judge_all(town, tokens, LONG)


@pytest.mark.parametrize(
    ("subject", "reached"),
    [
        ("taps", {"/api/v1/taps", "/api/v1/taps/{tap_id}"}),
        ("services|remote/people", {"/api/v1/services", "/api/v1/remote/people"}),
    ],
)
def test_sequences_of_calls_hold(town: HubHarness, tokens: Tokens, subject: str, reached: set[str]) -> None:
    """What follows what by the links of the document: a tap, its proof and its outcome; a page and the next."""
    machine = load(town, tokens).include(path_regex=f"^/api/v1/({subject})").as_state_machine()
    followed: set[str] = set()

    class Judged(machine):  # type: ignore[misc, valid-type]  # made at run time
        def before_call(self, case: Any) -> None:
            """Sequences begin with something that there is: random names of services lead nowhere."""
            case.body = BEGINNINGS.get(case.operation.path, case.body)

        def after_call(self, response: Any, case: Any) -> None:
            super().after_call(response, case)
            if response.status_code < 300:
                followed.add(case.operation.path)

    how = settings(
        max_examples=SCENARIOS, stateful_step_count=6, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    Judged.run(settings=how)
    assert followed >= reached


def test_the_judge_is_awake(town: HubHarness, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that is not what the document says is found."""
    monkeypatch.setattr(TerminalReports, "take", lambda *_: None)
    monkeypatch.setattr(ConfigurationService, "sequence", lambda *_: "three")
    (operation,) = (one for one in operations(town, tokens) if one.path == "/api/v1/terminal/report")
    with pytest.raises(FailureGroup) as found:
        play(operation, EXAMPLES)
    assert "ServerError" in [type(one).__name__ for one in found.value.exceptions]
