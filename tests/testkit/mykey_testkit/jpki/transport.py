"""Answers whose transport is broken on purpose: slow, byte by byte, cut, endless, or a compressed bomb.

The service decides when; nothing here knows what the bytes mean.
"""

from __future__ import annotations

import time
import zlib
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from mykey_testkit.jpki.faults import Fault

BOMB_BYTES = 1 << 30
_CHUNK = 64 * 1024
_ENDLESS_CHUNKS = 1 << 16  # 4 GB: no client reads as far
_PORTAL = "<!doctype html><title>Welcome</title><p>Please accept the terms of this network.</p>"


def http_date(moment: datetime) -> str:
    """RFC 9110 5.6.7."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def send_broken(handler: BaseHTTPRequestHandler, body: bytes, media_type: str, fault: Fault, seconds: float) -> None:
    """Send `body` in the manner of `fault`; a client that hangs up meanwhile is what most of them are for."""
    handler.close_connection = True
    try:
        _send(handler, body, media_type, fault, seconds)
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        return


def _send(handler: BaseHTTPRequestHandler, body: bytes, media_type: str, fault: Fault, seconds: float) -> None:
    if fault is Fault.HTTP_SLOW:
        time.sleep(seconds)
        _whole(handler, HTTPStatus.OK, media_type, body)
    elif fault is Fault.HTTP_BYTEWISE:
        _head(handler, HTTPStatus.OK, media_type, {"Content-Length": str(len(body))})
        for position in range(len(body)):
            handler.wfile.write(body[position : position + 1])
            handler.wfile.flush()
            time.sleep(seconds)
    elif fault is Fault.HTTP_CUT:
        _head(handler, HTTPStatus.OK, media_type, {"Content-Length": str(len(body))})
        handler.wfile.write(body[: len(body) // 2])
    elif fault is Fault.HTTP_ENDLESS:
        _head(handler, HTTPStatus.OK, media_type, {})
        for _ in range(_ENDLESS_CHUNKS):
            handler.wfile.write(bytes(_CHUNK))
    elif fault is Fault.HTTP_GZIP_BOMB:
        packed = _bomb()
        _head(
            handler,
            HTTPStatus.OK,
            media_type,
            {"Content-Encoding": "gzip", "Content-Length": str(len(packed))},
        )
        handler.wfile.write(packed)
    elif fault is Fault.HTTP_REDIRECT:
        _head(handler, HTTPStatus.FOUND, media_type, {"Location": handler.path, "Content-Length": "0"})
    elif fault is Fault.HTTP_HTML:
        _whole(handler, HTTPStatus.OK, "text/html", _PORTAL.encode())
    else:
        status = HTTPStatus.NOT_FOUND if fault is Fault.HTTP_404 else HTTPStatus.INTERNAL_SERVER_ERROR
        _whole(handler, status, "text/plain", b"")


def _head(handler: BaseHTTPRequestHandler, status: int, media_type: str, headers: dict[str, str]) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", media_type)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Connection", "close")
    handler.end_headers()


def _whole(handler: BaseHTTPRequestHandler, status: int, media_type: str, body: bytes) -> None:
    _head(handler, status, media_type, {"Content-Length": str(len(body))})
    handler.wfile.write(body)


@cache
def _bomb() -> bytes:
    """About a megabyte that unpacks to BOMB_BYTES: one gzip stream of a block that is repeated as compressed."""
    block = bytes(BOMB_BYTES >> 7)
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    first = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    # A full flush forgets what came before, so that from here on the same bytes may follow again and again.
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * ((1 << 7) - 1)
