"""The hub's address as an origin, byte for byte what a browser's `location.origin` gives.

The terminal talks to this origin only and lets the card sign for this origin only. A hub of several towns may put a
path before its API, one for each town.
"""

from __future__ import annotations

import ipaddress
import re

import httpx

from mykey_terminal.errors import HubAddressError

_TOWN_PATH = re.compile(r"/[a-z0-9-]+")


def hub_origin_and_path(address: str) -> tuple[str, str]:
    """Turn `https://host[:port][/town][/]` into an origin and the path of one town, `""` where there is none.

    Raises `HubAddressError`.
    """
    rest, _, last = address.strip().rstrip("/").rpartition("/")
    if "//" in rest and not rest.endswith("/") and _TOWN_PATH.fullmatch(f"/{last}"):
        return hub_origin(rest), f"/{last}"
    return hub_origin(address), ""


def hub_origin(address: str) -> str:
    """Turn `https://host[:port][/]` into an origin: ASCII, lower case, no default port, no slash.

    `http` is allowed on loopback only (demo and tests). Raises `HubAddressError`.
    """
    try:
        url = httpx.URL(address.strip())
    except httpx.InvalidURL as error:
        raise HubAddressError("the hub's address is no URL") from error
    if not url.host or url.userinfo or url.query or url.fragment or url.path not in {"", "/"}:
        raise HubAddressError("the hub's address is https://host or https://host:port, with nothing behind it")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
        raise HubAddressError("the hub's address begins with https:// (http:// only on this computer)")
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def is_loopback(host: str) -> bool:
    """Whether `host` is this computer: `localhost`, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def same_origin(address: str, origin: str) -> bool:
    """Whether the URL `address` belongs to `origin`."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    return f"{url.scheme}://{url.netloc.decode('ascii')}" == origin and not url.userinfo
