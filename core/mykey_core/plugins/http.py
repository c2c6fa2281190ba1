"""`context.http`: an HTTP client that reaches the granted hosts and no other, by the addresses that it has looked at.

A name is resolved here, its address is judged, and that very address is connected to: a name server that answers
differently the second time gains nothing. A redirect is a request like any other.
"""

from __future__ import annotations

import atexit
import ipaddress
import socket
from collections.abc import Callable
from functools import cache

import httpx

from mykey_core.plugins.errors import HostDenied

PluginHttp = httpx.Client
TIMEOUT = httpx.Timeout(10.0, connect=3.0)
MOST_CONNECTIONS = 10
_PORTS = {"https": 443, "http": 80}
Resolver = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, by the system's resolver; `httpx.ConnectError` when it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpx.ConnectError(f"{host} cannot be resolved") from error
    return [str(entry[4][0]) for entry in found]


class AllowListTransport(httpx.BaseTransport):
    """Lets requests to granted hosts through; `local` ones may have private addresses and speak plain http."""

    def __init__(
        self,
        plugin: str,
        hosts: frozenset[str],
        local: frozenset[str] = frozenset(),
        *,
        resolver: Resolver = resolve,
        inner: httpx.BaseTransport | None = None,
    ) -> None:
        self._plugin, self._hosts, self._local, self._resolver = plugin, hosts, local, resolver
        limits = httpx.Limits(max_connections=MOST_CONNECTIONS)
        self._inner = inner or httpx.HTTPTransport(limits=limits, trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, or raise `HostDenied`."""
        url = request.url
        name = self._granted(url)
        address = self._address(name, url)
        request.headers["Host"] = url.netloc.decode("ascii")
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        request.url = url.copy_with(host=address)
        response = self._inner.handle_request(request)
        request.url = url
        return response

    def close(self) -> None:
        """Close all connections."""
        self._inner.close()

    def _granted(self, url: httpx.URL) -> str:
        port = url.port or _PORTS.get(url.scheme)
        named = {f"{url.host}:{port}"} | ({url.host} if port == _PORTS.get(url.scheme) else set())
        granted = sorted(named & self._hosts)
        if not granted:
            raise HostDenied(self._plugin, url.host, "this host is not granted")
        if url.scheme != "https" and granted[0] not in self._local:
            raise HostDenied(self._plugin, url.host, "only https")
        return granted[0]

    def _address(self, name: str, url: httpx.URL) -> str:
        addresses = self._resolver(url.host, url.port or _PORTS[url.scheme])
        for address in addresses:
            if name in self._local or ipaddress.ip_address(address.partition("%")[0]).is_global:
                return address
        raise HostDenied(self._plugin, url.host, "its address is none of the public network")


@cache
def open_http(plugin: str, hosts: frozenset[str], local: frozenset[str]) -> PluginHttp:
    """The client of a plugin, one for each process. It follows no redirect by itself, keeps no cookie of a proxy."""
    transport = AllowListTransport(plugin, hosts, local)
    client = httpx.Client(transport=transport, timeout=TIMEOUT, trust_env=False)
    atexit.register(client.close)
    return client
