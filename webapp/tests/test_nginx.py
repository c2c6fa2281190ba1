"""The nginx example in front of `mykey serve`: TLS, what no client can say of itself, terminals by certificate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from mykey_terminal.doctor import examine
from mykey_terminal.errors import HubError, HubProblemError
from mykey_terminal.hub_door import HubDoor
from mykey_testkit.nginx import HUB_NAME, TERMINALS_NAME, Nginx, Pair, SmallCa, require_nginx
from mykey_testkit.served import ServedTown
from mykey_web.demo.town import MUNICIPALITY

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("nginx")]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedTown]:
    """A hub behind one proxy; the same for all tests of this file, which leave it as it is."""
    require_nginx()
    with ServedTown(tmp_path_factory.mktemp("served"), f"https://{HUB_NAME}") as town:
        town.let_prometheus_in()
        config = town.town.config
        config.write_text(config.read_text(encoding="utf-8") + "\n[sessions]\nproxies = 1\n", encoding="utf-8")
        town.serve()
        yield town


@pytest.fixture(scope="module")
def nginx(served: ServedTown) -> Iterator[Nginx]:
    """The proxy before it."""
    with Nginx(served.folder / "nginx", served.port) as running:
        yield running


def door(nginx: Nginx, own: Pair | None) -> HubDoor:
    """The door for terminals, with a client certificate or without."""
    certificate, key = (own.path, own.key_path) if own else (None, None)
    return HubDoor(address=nginx.door, certificate=certificate, key=key, ca=nginx.servers.own.path)


def test_pages_come_over_tls_with_hsts_once(nginx: Nginx) -> None:
    """Plain HTTP leads to https; a page over TLS has HSTS, its policy and a request id, each exactly once."""
    plain = httpx.get(f"http://127.0.0.1:{nginx.plain_port}/my/?a=1", headers={"Host": HUB_NAME}, trust_env=False)
    assert (plain.status_code, plain.headers["Location"]) == (301, f"https://{HUB_NAME}/my/?a=1")
    page = nginx.get("/my/", **{"Accept-Language": "en"})
    assert page.status_code in {200, 302, 303}
    for name in ("Strict-Transport-Security", "Content-Security-Policy", "X-Frame-Options", "X-Request-ID"):
        assert len(page.headers.get_list(name)) == 1, name
    assert page.headers["Server"] == "nginx"  # without its version
    sign_in = nginx.get("/my/sign-in")
    assert sign_in.headers.get("Set-Cookie", "__Host-; Secure").count("Secure") == 1


@pytest.mark.parametrize("path", ["/metrics", "/readyz", f"/{MUNICIPALITY}/metrics", "/metrics?x=1"])
def test_what_is_for_the_towns_own_monitoring_is_hidden(nginx: Nginx, served: ServedTown, path: str) -> None:
    """Not even with the right token, and also below a town's path; the hub itself answers."""
    token = {"Authorization": "Bearer a-token-that-only-prometheus-has"}
    assert nginx.ask("GET", path, headers=token).status_code == 404
    assert httpx.get(f"{served.address}/metrics", headers=token).status_code == 200
    assert nginx.get("/healthz").status_code == 200


def test_a_client_can_neither_choose_the_request_id_nor_its_address(nginx: Nginx, served: ServedTown) -> None:
    """The id in the log is nginx's; thirty forged addresses count as one, and no address is in the log."""
    forged = {"X-Request-ID": "forged-forged-forged", "Forwarded": "for=192.0.2.1;proto=http"}
    answer = nginx.ask("GET", "/healthz", headers=forged | {"X-Forwarded-For": "192.0.2.1"})
    own = answer.headers["X-Request-ID"]
    assert len(own) == 32
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    assert own in {line.get("request_id") for line in lines}
    assert "forged" not in served.log.read_text()
    codes = [attempt(nginx, number).status_code for number in range(70)]
    assert 429 in codes
    assert "192.0.2." not in served.log.read_text()


def attempt(nginx: Nginx, number: int) -> httpx.Response:
    """A visitor who claims to come from another address each time."""
    forged = {"X-Forwarded-For": f"192.0.2.{number}, 198.51.100.{number}", "X-Real-IP": f"192.0.2.{number}"}
    return nginx.ask("GET", "/sign-in/", headers=forged)


def test_a_large_body_is_refused_before_it_reaches_the_hub(nginx: Nginx) -> None:
    """64 KiB, as the hub itself."""
    answer = nginx.ask("POST", "/api/v1/oauth/token", json={"x": "y" * 70_000})
    assert answer.status_code == 413


def test_a_terminal_with_a_certificate_enrols_and_taps(nginx: Nginx, served: ServedTown) -> None:
    """Through the door for terminals: enrolment, token, tap, doctor; the card signs for the hub's own origin."""
    terminal = served.terminal(f"https://{HUB_NAME}", door(nginx, nginx.new_terminal("desk-1")))
    linked = terminal.tap("link", patron_number="10000017")
    assert linked.problem is None
    assert terminal.tap().problem is None
    assert terminal.hub.enrolment.hub_origin == f"https://{HUB_NAME}"
    found = {one.key for one in examine(terminal.state, port=1).all}
    assert {"hub", "accepted", "enrolled"} <= found


def test_only_terminals_of_the_town_get_in(nginx: Nginx, served: ServedTown, tmp_path: Path) -> None:
    """No certificate, or one of another CA: nginx refuses each before the hub is asked."""
    stranger = SmallCa(tmp_path, "stranger-ca").issue("desk-1", ExtendedKeyUsageOID.CLIENT_AUTH)
    for own in (None, stranger):
        with pytest.raises(HubProblemError) as refused:
            served.terminal(f"https://{HUB_NAME}", door(nginx, own))
        assert refused.value.problem.status == 400
    assert nginx.ask("GET", "/api/v1/services", name=TERMINALS_NAME).status_code == 400


def test_a_withdrawn_certificate_is_refused(served: ServedTown) -> None:
    """After the CRL was renewed and nginx was told."""
    with Nginx(served.folder / "nginx-2", served.port) as running:
        own = running.new_terminal("desk-2")
        terminal = served.terminal(f"https://{HUB_NAME}", door(running, own))
        running.terminals.crl(own)
    with running:
        report = terminal.tap()
        assert report.problem is not None
        assert report.problem.status == 400
        with pytest.raises(HubError):
            terminal.hub.services()


def test_the_terminals_door_has_the_api_only_and_no_side_entrance(nginx: Nginx) -> None:
    """Pages are not there, and neither is a way in by the hub's name in TLS and the terminals' in the request."""
    side = nginx.ask("GET", "/api/v1/services", headers={"Host": TERMINALS_NAME})
    assert side.status_code == 421
