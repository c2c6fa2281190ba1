"""Attacks on the pages: headers, two processes that count, big bodies, canaries, and the language after a form."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from werkzeug.test import TestResponse

from mykey_cardap.emulator import InProcessTransport
from mykey_cardap.emulator.cards import make_card
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind
from mykey_core.clock import tokyo_date
from mykey_core.logs import configure_logs
from mykey_testkit.browsers import PageClient, citizen_client, register, staff_client
from mykey_testkit.canaries import canaries, sung
from mykey_testkit.hub import HubHarness
from mykey_web.pages.areas import mounted

HTML = {"Accept": "text/html", "Accept-Language": "en"}
CITIZEN_PAGES = ("", "services", "messages", "consents", "delegations", "accesses", "devices", "export", "library/")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
_TWO_PROCESSES = """
import sys
from pathlib import Path
from mykey_core.hub import open_hub
from mykey_core.portal.rates import Rates, TooManyRequests
from mykey_core.settings import load_settings
hub = open_hub(load_settings(Path(sys.argv[1])))
rates = Rates(hub.database, hub.settings.municipality, hub.clock)
print("ready", flush=True)
sys.stdin.readline()
passed = 0
for _ in range(15):
    try:
        rates.hit("20/hour", "attack", "192.0.2.1")
        passed += 1
    except TooManyRequests:
        pass
print(passed)
"""


def test_every_page_has_every_header(library_hub: HubHarness) -> None:
    """Pages of all areas, of the hub and of plugins, errors included: as a citizen, a clerk and a stranger."""
    browsers = (
        PageClient(library_hub),
        citizen_client(library_hub, "adult"),
        staff_client(library_hub, "renewed", ["clerk", "administrator"]),
    )
    areas, looked_at = mounted(library_hub.app), 0
    for rule in library_hub.app.url_map.iter_rules():
        place = areas.get(rule.endpoint.rpartition(".")[0])
        if place is None or place.area.value == "point-api" or "GET" not in (rule.methods or set()) or rule.arguments:
            continue
        if rule.rule == "/oidc/logout":
            continue  # ends the session of whoever asks
        for browser in browsers:
            headers = browser.get(rule.rule, headers=HTML).headers
            assert {name: headers.get(name) for name in HEADERS} == HEADERS, rule.rule
            assert "unsafe" not in headers["Content-Security-Policy"], rule.rule
            assert headers["Strict-Transport-Security"] == "max-age=63072000"
        looked_at += 1
    assert looked_at > 30
    lost = browsers[0].get("/my/nothing/here", headers=HTML)
    assert {name: lost.headers.get(name) for name in HEADERS} == HEADERS


def test_two_processes_count_together(library_hub: HubHarness) -> None:
    """Two real processes try at the same time: of thirty tries twenty pass, whoever made them."""
    command = [sys.executable, "-c", _TWO_PROCESSES, str(library_hub.config)]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for one in running:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    passed = [int(one.communicate(timeout=60)[0]) for one in running]
    assert sum(passed) == 20
    assert max(passed) <= 15


def test_a_body_that_is_too_big_is_not_read(library_hub: HubHarness) -> None:
    """More than 64 KiB is refused as a page in words, whoever sends it, and a file is no exception."""
    browser = citizen_client(library_hub, "adult")
    big = browser.post("/my/consents", {"plugin": "x" * 70_000}, headers=HTML)
    assert (big.status_code, big.mimetype) == (413, "text/html")
    file = {"csrf_token": browser.csrf_token(), "file": (io.BytesIO(b"\0" * 70_000), "bomb.zip")}
    sent = browser._http.post("/my/export", base_url="https://hub.example.jp", data=file, headers=HTML)
    assert sent.status_code == 413
    assert browser.get("/my/").status_code == 200


# -- nothing of a person in addresses and logs ------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, at the most talkative level, while the test runs."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    configure_logs("json")
    root.setLevel(logging.DEBUG)
    stream = io.StringIO()
    handler = root.handlers[-1]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield stream
    root.handlers[:], root.level = before, level


class Watched(PageClient):
    """A browser whose addresses are written down: those that it asks for, those it is led to, those on its pages."""

    def __init__(self, hub: HubHarness) -> None:
        super().__init__(hub)
        self.addresses: list[str] = []

    def get(self, path: str, **options: object) -> TestResponse:
        """GET, and note."""
        return self._noted(path, super().get(path, **options))

    def post(self, path: str, form: object = None, **options: object) -> TestResponse:
        """POST, and note."""
        return self._noted(path, super().post(path, form, **options))  # type: ignore[arg-type]

    def _noted(self, path: str, answer: TestResponse) -> TestResponse:
        links = re.findall(r'(?:href|action|src)="([^"]*)"', answer.text if answer.mimetype == "text/html" else "")
        self.addresses += [path, answer.location or "", *links]
        return answer


def secrets_of(hub: HubHarness, persona: str) -> dict[str, str]:
    """The person's name, address and number, and the serial of the card's certificate in each spelling."""
    card = make_card(persona, today=tokyo_date(hub.clock()))
    der = JpkiSession(InProcessTransport(card)).read_certificate(CertificateKind.AUTHENTICATION)
    from cryptography import x509

    serial = x509.load_der_x509_certificate(der).serial_number
    return canaries(persona) | {"serial": str(serial), "serial.hex": f"{serial:x}", "serial.HEX": f"{serial:X}"}


def test_no_canary_in_addresses_and_logs(library_hub: HubHarness, log: io.StringIO) -> None:
    """A citizen's whole journey: link, sign in, every page, every form, hand-over, export, leaving, signing out."""
    words = secrets_of(library_hub, "adult") | {"patron": "10000017"}
    library_hub.terminal().tap("adult", "library-desk", "link", patron_number="10000017")
    browser, phone = Watched(library_hub), Watched(library_hub)
    browser.sign_in("adult")
    for name in (*CITIZEN_PAGES, "services/library/leave", "no-such-page"):
        browser.get(f"/my/{name}", headers=HTML)
    shown = phone.post("/sign-in/other-device", headers=HTML).text
    found = re.search(r'id="code">([^<]+)<', shown)
    assert found is not None
    words |= {"hand-over": found[1], "hand-over.plain": found[1].replace("-", ""), "form": browser.csrf_token()}
    browser.post_json("/sign-in/approve/challenge", {"code": found[1]})
    assert "10000017" in browser.post("/my/export/page", headers=HTML).text
    browser.post("/my/export")
    browser.post("/my/consents", {"plugin": "library", "purpose": "x", "decision": "agree"}, headers=HTML)
    browser.post("/my/services/library/leave")
    browser.post("/my/devices/end-others")
    cookies = [cookie.value for cookie in (browser._http._cookies or {}).values()]
    words |= {f"cookie-{number}": value for number, value in enumerate(cookies) if len(value) > 20}
    browser.post("/sign-in/sign-out")
    assert len(words) > 8
    assert sung(" ".join(browser.addresses + phone.addresses), words) == []
    assert "my.export_page" in log.getvalue()
    assert sung(log.getvalue(), words) == []


def test_the_journey_would_be_heard(library_hub: HubHarness, log: io.StringIO) -> None:
    """The judge is awake: a line with the name is found."""
    words = secrets_of(library_hub, "adult")
    logging.getLogger("mykey.careless").warning("served %s", words["adult.name"])
    assert sung(log.getvalue(), words) == ["adult.name"]


# -- the language after a form ----------------------------------------------------------------------------------


def languages_of(answer: TestResponse) -> dict[str, str]:
    """Language → address of the switch on a page."""
    found = re.findall(r'hreflang="([^"]+)" href="([^"]+)"', answer.text)
    return {code: address.replace("&amp;", "&") for code, address in found}


def test_the_switch_keeps_the_page(library_hub: HubHarness) -> None:
    """Path and query stay; from the answer to a form it leads back to the page with the form, never to an error."""
    browser = citizen_client(library_hub, "adult")
    assert languages_of(browser.get("/my/accesses?page=1", headers=HTML))["en"] == "/my/accesses?page=1&lang=en"
    came_from = {"Referer": "https://hub.example.jp/my/delegations?page=2", **HTML}
    refused = browser.post("/my/delegations/end", {"delegation": "x"}, headers=came_from)
    assert refused.status_code == 403
    assert languages_of(refused)["ja-Hira"] == "/my/delegations?page=2&lang=ja-Hira"
    shown = browser.post("/my/export/page", headers=HTML)
    assert browser.get(languages_of(shown)["ja"]).status_code == 200


@pytest.mark.parametrize("referrer", ["https://evil.example/my/", "https://hub.example.jp//evil.example", "x"])
def test_the_switch_leads_nowhere_else(library_hub: HubHarness, referrer: str) -> None:
    """A referrer that is not a page of this hub is not followed."""
    register(library_hub, "adult")
    browser = citizen_client(library_hub, "adult")
    refused = browser.post("/my/delegations/end", {"delegation": "x"}, headers={"Referer": referrer, **HTML})
    for address in languages_of(refused).values():
        assert (urlsplit(address).netloc, urlsplit(address).path) == ("", "/my/")
