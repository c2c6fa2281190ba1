"""The hub's own origin: what start-up accepts as one, byte for byte as a browser's `location.origin` gives it.

The origin is a setting of the hub and never comes from a token.
"""

from __future__ import annotations

import ipaddress
import re

import idna

from mykey_core.errors import ConfigurationError

ORIGIN_SETTING = "origin"
_SHAPE = re.compile(r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^:/?#@\[\]\\]+)(?::(?P<port>[0-9]+))?", re.ASCII)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_DEFAULT_PORT = {"https": "443", "http": "80"}
_LOOPBACK = frozenset(("127.0.0.1", "localhost"))
_MAX_PORT = 65_535
_MAX_HOST = 253


def _refuse(message: str) -> ConfigurationError:
    return ConfigurationError(ORIGIN_SETTING, f"{message} (write it like https://hub.city.example.jp)")


def check_origin(origin: str, *, loopback_allowed: bool) -> str:
    """`origin` itself, when it can be one; `ConfigurationError` says what is wrong with it.

    `https://host[:port]`: lower case, ASCII, no path, query, fragment, user or trailing slash, default port left out.
    With `loopback_allowed`, for a hub that listens on loopback itself, also http://127.0.0.1 and http://localhost.
    """
    shape = _SHAPE.fullmatch(origin)
    if shape is None:
        raise _refuse("the origin must be scheme, host and perhaps port, in lower case, and nothing else")
    scheme, host, port = shape["scheme"], shape["host"], shape["port"]
    if scheme == "http" and host in _LOOPBACK and not loopback_allowed:
        message = f"an http://{host} origin needs environment = test or demo, and it is production now"
        raise ConfigurationError(ORIGIN_SETTING, message)
    if scheme == "http" and host not in _LOOPBACK:
        raise _refuse("the origin must begin with https://")
    _check_host(host)
    if port is not None:
        _check_port(scheme, port)
    return origin


def _check_port(scheme: str, port: str) -> None:
    if port == _DEFAULT_PORT[scheme]:
        raise _refuse(f"leave out the default port {port}: a browser does")
    if port.startswith("0") or int(port) > _MAX_PORT:
        raise _refuse("the port must be a number from 1 to 65535 without leading zeros")


def _check_host(host: str) -> None:
    if host.startswith("["):
        _check_ipv6(host[1:-1])
    elif _ends_in_number(host):
        _check_ipv4(host)
    else:
        _check_name(host)


def _ends_in_number(host: str) -> bool:
    """A browser reads such a host as an IPv4 address (URL standard, 'ends in a number')."""
    return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rsplit(".", 1)[-1], re.ASCII) is not None


def _check_ipv4(host: str) -> None:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise _refuse("the host ends in a number but is no IPv4 address of four numbers") from None


def _check_ipv6(address: str) -> None:
    try:
        canonical = ipaddress.IPv6Address(address).compressed
    except ValueError:
        raise _refuse("the host is no IPv6 address") from None
    if canonical != address:
        raise _refuse(f"write the IPv6 address in its short form: [{canonical}]")


def _check_name(host: str) -> None:
    labels = host.split(".")
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refuse("the host must be a lower-case ASCII name (an international name in its xn-- form)")
    for label in labels:
        if label[2:4] == "--":
            _check_international(label)


def _check_international(label: str) -> None:
    """A label with hyphens in third and fourth place must be the punycode of a name that exists (RFC 5891)."""
    try:
        genuine = label.startswith("xn--") and idna.alabel(idna.ulabel(label)).decode("ascii") == label
    except (idna.IDNAError, UnicodeError, ValueError):
        genuine = False
    if not genuine:
        raise _refuse(f"the part '{label}' of the host is no international name")
