"""The headers of every answer: what a page may load and talk to, who may frame it, and what is kept of it."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, g, request

_LOOPBACK = "http://127.0.0.1:* http://localhost:*"
_PAGES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; manifest-src 'self'; "
    "connect-src 'self'{agent}; form-action 'self'{form}; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)
_POINT = (
    "default-src 'self'; connect-src 'self' http://127.0.0.1:*; "
    "frame-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
)
_ALWAYS = {"X-Content-Type-Options": "nosniff"}
_FOR_PAGES = {
    "Referrer-Policy": "same-origin",  # with `no-referrer` browsers hide the Origin of our own forms
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HSTS_VALUE = "max-age=63072000"  # two years; subdomains are the town's own matter


def reads_card() -> None:
    """This page talks to the agent on the same computer."""
    g.mykey_reads_card = True


def forms_lead_to(address: str) -> None:
    """A form of this page may end, by a redirect, at another origin: browsers apply `form-action` to that as well."""
    parts = urlsplit(address)
    g.mykey_forms_lead_to = f" {parts.scheme}://{parts.netloc}"


def secure(response: Response) -> Response:
    """Put the headers on an answer."""
    headers = response.headers
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    if request.scheme == "https":
        headers["Strict-Transport-Security"] = HSTS_VALUE
    if request.path.startswith("/api/"):
        headers.setdefault("Cache-Control", "no-store")
        headers["Referrer-Policy"] = "no-referrer"
        return response
    headers.update(_FOR_PAGES)
    headers.setdefault("Content-Security-Policy", _policy())
    if request.endpoint != "static" and not request.path.startswith("/point"):
        headers.setdefault("Cache-Control", "no-store")
    return response


def _policy() -> str:
    if request.path.startswith("/point"):
        return _POINT
    agent = f" {_LOOPBACK}" if g.get("mykey_reads_card") else ""
    return _PAGES.format(agent=agent, form=g.get("mykey_forms_lead_to", ""))
