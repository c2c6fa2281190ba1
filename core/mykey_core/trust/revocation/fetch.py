"""HTTP with hard bounds: total time, total size, no redirect, nothing decompressed beyond the limit.

What comes back is bytes; whether they are to be believed is decided by `crl`, `ocsp_answer` and `operator_answer`.
httpx is imported on use: it brings those of its command line too, and a hub that starts has nothing to ask yet.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from mykey_core.errors import ConfigurationError
from mykey_core.trust.run_async import run_async

if TYPE_CHECKING:
    import httpx

_GZIP: Final = 16 + zlib.MAX_WBITS
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}


class FetchError(Exception):
    """The answer could not be had; `code` says why (`http_timeout`, `http_status`, `http_too_large` …)."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Limits:
    """What one exchange may cost: the whole of it in `deadline`, each step in `step`, `max_bytes` after unpacking."""

    deadline: timedelta = timedelta(seconds=10)
    step: timedelta = timedelta(seconds=5)  # connect and response time-out of Web eID (§2.3)
    max_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete answer. `body` is empty and `not_modified` true for 304."""

    body: bytes = field(repr=False)
    not_modified: bool = False
    etag: str | None = None
    last_modified: str | None = None


class Fetcher:
    """Asks one kind of service over HTTP. Proxies come from the settings, never from the environment.

    Each exchange runs in an event loop of its own, because only a cancelled task bounds the whole of it: a
    server may otherwise send its header a byte at a time for ever.
    """

    def __init__(
        self, limits: Limits, *, proxy: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`transport` replaces the network, for tests."""
        self._limits = limits
        self._proxy = proxy
        self._transport = transport
        self._tls = ssl.create_default_context()

    def get(self, url: str, headers: Mapping[str, str]) -> Fetched:
        """GET `url`; raises FetchError."""
        return run_async(self._exchange("GET", url, headers, None))

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        """POST `body` to `url`; raises FetchError."""
        return run_async(self._exchange("POST", url, headers, body))

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Fetched:
        import httpx  # noqa: PLC0415 - see the module

        sent = {"Accept-Encoding": "gzip, identity", **headers}
        try:
            async with (
                asyncio.timeout(self._limits.deadline.total_seconds()),
                self._client() as client,
                client.stream(method, url, headers=sent, content=body) as response,
            ):
                return await self._read(response)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise FetchError("http_timeout", "no complete answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            raise FetchError("http_failed", type(error).__name__) from error

    def _client(self) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 - see the module

        return httpx.AsyncClient(
            timeout=self._limits.step.total_seconds(),
            follow_redirects=False,
            trust_env=False,
            verify=self._tls,
            proxy=self._proxy,
            transport=self._transport,
        )

    async def _read(self, response: httpx.Response) -> Fetched:
        if response.status_code == HTTPStatus.NOT_MODIFIED:
            return Fetched(b"", not_modified=True)
        if response.status_code != HTTPStatus.OK:
            raise FetchError("http_status", str(response.status_code))
        self._refuse_announced(response)
        return Fetched(
            body=await self._bounded_body(response),
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
        )

    def _refuse_announced(self, response: httpx.Response) -> None:
        announced = response.headers.get("Content-Length", "0")
        if not announced.isascii() or not announced.isdigit() or int(announced) > self._limits.max_bytes:
            raise FetchError("http_too_large", "the announced length is over the limit")

    async def _bounded_body(self, response: httpx.Response) -> bytes:
        """The whole body, unpacked. At most one byte over the limit is ever made of a bomb."""
        unpack = _unpacker(response)
        body = bytearray()
        async for piece in response.aiter_raw():
            body += unpack.take(piece, self._limits.max_bytes - len(body) + 1)
            if len(body) > self._limits.max_bytes:
                raise FetchError("http_too_large", f"more than {self._limits.max_bytes} bytes")
        unpack.finish()
        return bytes(body)


class _Plain:
    """A body that is not compressed."""

    def take(self, piece: bytes, _limit: int) -> bytes:
        return piece

    def finish(self) -> None:
        """Nothing can be missing: httpx compares with Content-Length."""


class _Gzip:
    """A gzip body, unpacked piece by piece up to a limit."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(_GZIP)

    def take(self, piece: bytes, limit: int) -> bytes:
        try:
            return self._unpacker.decompress(piece, limit)
        except zlib.error as error:
            raise FetchError("http_encoding", "the compressed answer is broken") from error

    def finish(self) -> None:
        if not self._unpacker.eof:
            raise FetchError("http_encoding", "the compressed answer is incomplete")


def _unpacker(response: httpx.Response) -> _Plain | _Gzip:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return _Plain()
    if encoding != "gzip":
        raise FetchError("http_encoding", "only gzip is understood")
    return _Gzip()


def require_url(url: str, *, setting: str, plain_http: bool) -> str:
    """Check a configured URL; `plain_http` allows http (signed data), otherwise only https or loopback.

    Raises:
        ConfigurationError: not an absolute http(s) URL, user information in it, or http where it must not be.
    """
    if not is_usable_url(url, plain_http=plain_http):
        scheme = "http:// or https://" if plain_http else "https://"
        raise ConfigurationError(setting, f"'{url}' is no address: give one that begins with {scheme}")
    return url


def is_usable_url(url: str, *, plain_http: bool) -> bool:
    """Whether `url` is an absolute http(s) URL without user information; https unless loopback or `plain_http`."""
    try:
        parts = urlsplit(url)
        host, user, _ = parts.hostname, parts.username, parts.port
    except ValueError:
        return False
    if not host or user is not None or not url.isascii():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (plain_http or host in _LOOPBACK))
