"""Running a hub: probes, metrics, logs without persons, and the server in production."""

from __future__ import annotations

import io
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Never

import httpx
import pytest
from cryptography import x509
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from mykey_cardap.emulator import InProcessTransport
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind
from mykey_core.audit.keeper import keeper_of
from mykey_core.clock import tokyo_date
from mykey_core.errors import ConfigurationError, StorageUnavailable
from mykey_core.logs import configure_logs
from mykey_core.worker.schedules import Schedules
from mykey_core.worker.tables import plugin_schedule
from mykey_testkit.browsers import citizen_client
from mykey_testkit.canaries import canaries, sung
from mykey_testkit.clock import ManualClock
from mykey_testkit.hub import HubHarness
from mykey_web.app import create_app
from mykey_web.demo import processes
from mykey_web.demo.town import make_town

TOKEN = "a-token-that-only-prometheus-has"
CANARY = "10000017"
_ROOT = Path(__file__).resolve().parents[2]


def with_token(hub: HubHarness, folder: Path) -> HubHarness:
    """The hub's application, with metrics."""
    path = folder / "metrics-token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    settings = hub.hub.settings.model_copy(update={"metrics_token_file": path})
    object.__setattr__(hub.hub, "settings", settings)
    hub.app = create_app(hub.hub)
    return hub


def exposed(hub: HubHarness) -> str:
    """What Prometheus reads."""
    answer = hub.app.test_client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return answer.text


def scraped(hub: HubHarness) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels, without the town's; read by Prometheus's own parser."""
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(exposed(hub)):
        for sample in family.samples:
            assert sample.labels["municipality"] == "132217"
            labels = {name: value for name, value in sample.labels.items() if name != "municipality"}
            found[sample.name, *(labels[name] for name in sorted(labels))] = sample.value
    return found


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What goes into the log as JSON, while the test runs."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configure_logs("json")
    kept = io.StringIO()
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(kept)
    yield kept
    root.handlers[:], level = before
    root.setLevel(level)


def test_probes(library_hub: HubHarness) -> None:
    """The process lives; it is ready while the CRLs are fresh, and says what is missing when they have ended."""
    client = library_hub.app.test_client()
    assert client.get("/healthz").get_json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()["failed"]) == (200, [])


def test_not_ready_without_fresh_crls(library_hub: HubHarness) -> None:
    """A load balancer takes a hub out that would refuse every card."""
    from datetime import timedelta

    library_hub.clock.now += timedelta(days=30)
    answer = library_hub.app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["failed"] == ["revocation.closed"]


def test_metrics_need_the_token(library_hub: HubHarness, tmp_path: Path) -> None:
    """404 where none is configured, 401 with another, and what Prometheus can read with the right one."""
    assert library_hub.app.test_client().get("/metrics").status_code == 404
    client = with_token(library_hub, tmp_path).app.test_client()
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer " + TOKEN[:-1]}).status_code == 401
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    found = {one.name: one for one in text_string_to_metric_families(answer.text)}
    checks = {sample.labels["check"]: sample.value for sample in found["mykey_check_level"].samples}
    assert checks["database"] == 0
    assert found["mykey_revocation_seconds_left"].samples[0].value > 0


def test_a_tap_is_counted_though_it_passes_flask_by(library_hub: HubHarness, tmp_path: Path) -> None:
    """The lane's proofs are in the figures, and neither a serial nor a patron's number is."""
    hub = with_token(library_hub, tmp_path)
    before = scraped(hub)
    terminal = hub.terminal()
    terminal.tap("adult", "library-desk", "link", patron_number=CANARY)
    terminal.tap("adult", "library-desk", "open")
    terminal.tap("revoked", "library-desk", "open")
    more = Counter(scraped(hub))
    more.subtract(before)
    assert more["mykey_http_requests_total", "api_v1.prove", "200"] == 2
    assert more["mykey_http_request_duration_seconds_count", "api_v1.prove"] == 3
    assert more["mykey_taps_total", "done", "library-desk"] == 2
    assert more["mykey_taps_total", "certificate_revoked", "library-desk"] == 1


@pytest.mark.parametrize(("mode", "text"), [(0o644, TOKEN), (0o600, "short")])
def test_an_unsafe_token_file_stops_the_start(library_hub: HubHarness, tmp_path: Path, mode: int, text: str) -> None:
    """A token that others can read or guess is refused."""
    path = tmp_path / "metrics-token"
    path.write_text(text)
    path.chmod(mode)
    settings = library_hub.hub.settings.model_copy(update={"metrics_token_file": path})
    object.__setattr__(library_hub.hub, "settings", settings)
    with pytest.raises(ConfigurationError, match="metrics_token_file"):
        create_app(library_hub.hub)


def test_every_answer_has_an_id_that_the_log_has_too(library_hub: HubHarness, lines: io.StringIO) -> None:
    """A request's id is made by the hub; one that a stranger sends is not taken over."""
    answer = library_hub.app.test_client().get("/healthz", headers={"X-Request-ID": "forged-forged"})
    own = answer.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", own)
    line = json.loads(lines.getvalue().splitlines()[-1])
    assert line["request_id"] == own
    assert (line["endpoint"], line["status"], line["logger"]) == ("probes.healthz", 200, "mykey.access")


def test_what_a_guard_answers_is_told_by_its_view(library_hub: HubHarness, lines: io.StringIO) -> None:
    """A redirect to the sign-in page counts for the page that was asked for."""
    assert library_hub.app.test_client().get("/my/", base_url=library_hub.origin).status_code == 303
    line = json.loads(lines.getvalue().splitlines()[-1])
    assert (line["endpoint"], line["status"]) == ("my.home", 303)


def test_no_canary_reaches_the_log(library_hub: HubHarness, lines: io.StringIO) -> None:
    """A tap, pages of a citizen, a wrong address with a number in it, a refused body: none of it is in the log."""
    terminal = library_hub.terminal()
    terminal.tap("adult", "library-desk", "link", patron_number=CANARY)
    browser = citizen_client(library_hub, "adult")
    for path in ("/my/", f"/my/{CANARY}", f"/admin/audit?term={CANARY}", f"/p/library/{CANARY}"):
        browser.get(path)
    terminal.post("/taps", {"service": CANARY, "action": CANARY})
    text = lines.getvalue()
    assert len(text.splitlines()) > 8
    assert CANARY not in text
    assert sung(text, canaries("adult")) == []
    for word in ("Authorization", "Bearer", "mykey-session", "127.0.0.1", '"1234"', serial_of("adult")):
        assert word not in text


def serial_of(persona: str) -> str:
    """The serial number of the authentication certificate, as a log would write it."""
    card = JpkiSession(InProcessTransport(make_card(persona, today=tokyo_date(ManualClock().now))))
    card.verify_pin("authentication", b"1234")
    return str(x509.load_der_x509_certificate(card.read_certificate(CertificateKind.AUTHENTICATION)).serial_number)


def test_an_exception_is_told_as_text_too(lines: io.StringIO) -> None:
    """The form for a person has type and places on lines of their own, and not the words either."""
    configure_logs("text")
    handler = logging.getLogger().handlers[-1]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(lines)
    try:
        raise ValueError("山田 太郎")
    except ValueError:
        logging.getLogger("mykey_web.app").exception("unexpected")
    told = lines.getvalue()
    assert "ValueError\n  test_operations.py:" in told
    assert "山田" not in told


def test_an_exception_is_told_without_its_words(lines: io.StringIO) -> None:
    """Type and places are there, of its cause as well; what somebody typed is not."""
    try:
        try:
            int(CANARY + "x")
        except ValueError as error:
            raise RuntimeError(f"cannot take {CANARY}") from error
    except RuntimeError as error:
        logging.getLogger("mykey_web.app").exception("unexpected %s", type(error).__name__)
    line = json.loads(lines.getvalue())
    assert [one["type"] for one in line["exception"]] == ["RuntimeError", "ValueError"]
    assert line["exception"][0]["places"][0].startswith("test_operations.py:")
    assert CANARY not in lines.getvalue()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_server_in_production(tmp_path: Path, workers: str) -> None:
    """`mykey serve` answers with one process and with two, whose counts are added, and ends when it is told to."""
    from datetime import UTC, datetime

    port = processes.free_port()
    town = make_town(tmp_path, f"http://127.0.0.1:{port}", datetime.now(UTC))
    path = town.config.parent / "metrics-token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    town.config.write_text('metrics_token_file = "metrics-token"\n' + town.config.read_text())
    arguments = ["serve", "--config", str(town.config), "--port", str(port), "--workers", workers]
    log = tmp_path / "serve.log"
    with processes.Child(arguments, log) as server:
        assert server.announcement == {"ready": f"http://127.0.0.1:{port}"}
        processes._wait_for_answer(f"http://127.0.0.1:{port}/healthz", server)
        for _ in range(19):
            assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert (
            'mykey_http_requests_total{endpoint="probes.readyz",municipality="132217",status="200"} 19.0' in answer.text
        )
    assert not server.running
    for line in log.read_text().splitlines():
        json.loads(line)


def test_the_reference_names_every_metric(library_hub: HubHarness, tmp_path: Path) -> None:
    """Name, type and labels on the page are those of a hub in which all has happened; alert rules use no other."""
    hub = with_token(library_hub, tmp_path)
    hub.terminal().tap("adult", "library-desk", "link", patron_number=CANARY)
    guard = hub.hub.plugins.plugins["library"].guard
    with pytest.raises(ZeroDivisionError), guard.watching("mykey_tap"):
        raise ZeroDivisionError
    hub.app.test_client().get("/healthz")
    keeper_of(hub.settings, hub.hub.database, hub.clock).tick()
    Schedules(hub.hub.database, "132217").release(hub.hub.plugins.jobs(), hub.clock())
    with hub.hub.database.writing() as session:
        own = plugin_schedule.c.municipality == "132217"
        session.execute(update(plugin_schedule).where(own).values(finished_at=hub.clock()))
    found: dict[str, tuple[str, ...]] = {}
    for family in text_string_to_metric_families(exposed(hub)):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            labels = tuple(sorted(set(sample.labels) - {"municipality", "le"}))
            if not sample.name.endswith("_created"):
                found[name] = (family.type, *labels)
    page = (_ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(mykey_\w+)` \| (\w+) \| ([^|]*)\|", page, re.MULTILINE)
    assert {name: (kind, *sorted(re.findall(r"\w+", labels))) for name, kind, labels in rows} == found
    rules = (_ROOT / "packaging/prometheus/mykey-alerts.yml").read_text(encoding="utf-8")
    used = {name.removesuffix("_bucket") for name in re.findall(r"\bmykey_[a-z_]+", rules)}
    assert used <= set(found)


def test_metrics_while_the_database_is_away(library_hub: HubHarness, tmp_path: Path) -> None:
    """The parts that need it are named as missing, the others are told, and a load balancer hears 503."""
    hub = with_token(library_hub, tmp_path)

    def gone() -> Never:
        raise StorageUnavailable("gone")

    object.__setattr__(hub.hub.database, "reading", gone)
    samples = scraped(hub)
    assert samples["mykey_collector_success", "outbox"] == 0
    assert samples["mykey_collector_success", "revocation"] == 1
    assert samples["mykey_check_level", "database"] == 2
    assert hub.app.test_client().get("/readyz").status_code == 503
    assert hub.app.test_client().get("/healthz").status_code == 200
