"""By which door a terminal reaches its hub: an address of its own, a client certificate, a CA of the town's own.

The hub's origin stays what cards sign for and what pages are opened at; the door is where this program's requests go.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
from pydantic import BaseModel, ConfigDict, model_validator

from mykey_terminal.errors import HubAddressError, StateError
from mykey_terminal.files import check_private


class HubDoor(BaseModel):
    """The default is no door: the hub's own address, and the CAs that this computer trusts.

    `address` is an origin such as `https://terminals.example.jp`. `certificate` and `key` are PEM files of the client
    certificate (the key readable by the terminal's user only), `ca` has the CAs that may have signed the server's.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    address: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> HubDoor:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a client certificate and its key belong together")
        return self

    def transport(self, origin: str) -> httpx.BaseTransport | None:
        """A transport to this door for requests to `origin`; None for the default. `StateError` for unusable files.

        Office proxies are passed by: a client certificate is for the town's own network.
        """
        if self == HubDoor():
            return None
        inner = httpx.HTTPTransport(verify=self._context(), trust_env=False)
        return inner if self.address is None else _Doorway(inner, origin, self.address)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca is not None:
            context = ssl.create_default_context(cafile=_there(self.ca))
        if self.certificate is not None and self.key is not None:
            check_private(self.key)
            try:
                context.load_cert_chain(_there(self.certificate), self.key)
            except (ssl.SSLError, OSError) as error:
                raise StateError("holds no client certificate that fits its key", path=self.certificate) from error
        return context


class _Doorway(httpx.BaseTransport):
    """Sends what is for the hub's origin to the door's address, and nothing to anybody else."""

    def __init__(self, inner: httpx.BaseTransport, origin: str, address: str) -> None:
        self._inner = inner
        self._origin = httpx.URL(origin)
        self._door = httpx.URL(address)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The interface of httpx; `HubAddressError` for another origin."""
        url = request.url
        if (url.scheme, url.host, url.port) != (self._origin.scheme, self._origin.host, self._origin.port):
            raise HubAddressError("a terminal with a door of its own speaks to its hub only")
        request.url = url.copy_with(scheme=self._door.scheme, host=self._door.host, port=self._door.port)
        request.headers["Host"] = self._door.netloc.decode("ascii")
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close every connection."""
        self._inner.close()


def _there(path: Path) -> Path:
    if not path.is_file():
        raise StateError("there is no such file", path=path)
    return path
