"""`context.http`: granted hosts and no other, whatever redirects and name servers say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from mykey_core.api import HostDenied
from mykey_core.plugins.http import TIMEOUT, AllowListTransport, open_http

PUBLIC = "93.184.215.7"
asked: list[str] = []


class Inner(httpx.BaseTransport):
    """Stands for the network: remembers where it was sent, and redirects when it is told to."""

    def __init__(self, location: str | None = None) -> None:
        self.location = location
        self.seen: list[tuple[str, str, object]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append((request.url.host, request.headers["Host"], request.extensions.get("sni_hostname")))
        headers = {"Location": self.location} if self.location else {}
        return httpx.Response(302 if self.location else 200, headers=headers, request=request)


def client(inner: Inner, *, hosts: str = "api.example.jp", address: str = PUBLIC, local: str = "") -> httpx.Client:
    transport = AllowListTransport(
        "sample", frozenset({hosts}), frozenset(filter(None, [local])), resolver=lambda *_: [address], inner=inner
    )
    return httpx.Client(transport=transport)


def test_a_granted_host_is_reached_by_the_address_that_was_judged() -> None:
    """The connection goes to the address, the certificate is asked for by name, the Host header is the name."""
    inner = Inner()
    answer = client(inner).get("https://api.example.jp/x")
    assert inner.seen == [(PUBLIC, "api.example.jp", "api.example.jp")]
    assert answer.url == "https://api.example.jp/x"


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example.jp/",
        "https://api.example.jp.evil.example/",
        "https://api.example.jp@evil.example/",
        "https://api.example.jp:8443/",
        "http://api.example.jp/",
        "https://93.184.215.7/",
        "https://127.0.0.1/",
        "https://[::1]/",
    ],
)
def test_any_other_host_port_or_scheme_is_denied(url: str) -> None:
    """Nothing is sent, and the denial names the capability and the host."""
    inner = Inner()
    with pytest.raises(HostDenied) as denied:
        client(inner).get(url)
    assert (denied.value.capability, inner.seen) == ("http", [])


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.5", "192.168.1.1", "169.254.169.254", "::1", "fd00::1", "fe80::1%1"]
)
def test_a_granted_name_that_leads_into_the_towns_network_is_denied(address: str) -> None:
    """A name server under somebody else's control cannot point the hub at itself or its neighbours."""
    inner = Inner()
    with pytest.raises(HostDenied, match="public network"):
        client(inner, address=address).get("https://api.example.jp/")
    assert inner.seen == []


def test_a_redirect_is_not_followed_by_itself_nor_to_another_host() -> None:
    """Without being asked the client stops at the redirect; asked to follow, it may not leave the granted hosts."""
    inner = Inner("https://evil.example/")
    assert client(inner).get("https://api.example.jp/").status_code == httpx.codes.FOUND
    with pytest.raises(HostDenied) as denied:
        client(inner).get("https://api.example.jp/", follow_redirects=True)
    assert denied.value.host == "evil.example"


@pytest.fixture
def server() -> Iterator[int]:
    """A real HTTP server of the town's own network; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Host"])
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()


def test_a_local_host_that_the_town_names_is_reached(server: int) -> None:
    """With `local_hosts` the town's own service may have a private address and speak plain http."""
    name = f"localhost:{server}"
    with open_http("sample", frozenset({name}), frozenset({name})) as opened:
        assert opened.get(f"http://{name}/").text == "ok"
        assert asked[-1] == name
    assert (TIMEOUT.connect, TIMEOUT.read) == (3.0, 10.0)
