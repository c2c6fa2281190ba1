"""`/healthz` (the process lives), `/readyz` (it can answer a tap now) and `/metrics` (by a bearer token)."""

from __future__ import annotations

import hmac
import stat
import threading
import time
from pathlib import Path

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST

from mykey_core.diagnosis.findings import Finding
from mykey_core.diagnosis.running import is_ready
from mykey_core.errors import ConfigurationError, Refusal
from mykey_core.hub import Hub
from mykey_web.operations.metrics import Counts, exposition

_SETTING = "metrics_token_file"
_SHORTEST_TOKEN = 20
_READY_FOR = 1.0  # seconds: whoever asks more often gets the last answer again


def make_probes(hub: Hub, counts: Counts) -> Blueprint:
    """The blueprint, bound to one hub."""
    blueprint = Blueprint("probes", __name__)
    token = _read_token(hub.settings.metrics_token_file)
    readiness = _Readiness(hub)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        """This process answers."""
        return jsonify(status="ok")

    @blueprint.get("/readyz")
    def readyz() -> Response:
        """Database, tables and revocation data are there; 503 with codes otherwise."""
        failed = readiness.failures()
        response = jsonify(status="failed" if failed else "ok", failed=[f"{one.check}.{one.code}" for one in failed])
        response.status_code = 503 if failed else 200
        return response

    @blueprint.get("/metrics")
    def metrics() -> Response:
        """Prometheus's text; 404 where no token is configured."""
        if token is None:
            raise Refusal("not_found")
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token):
            return Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        return Response(exposition(counts, hub), content_type=CONTENT_TYPE_LATEST)

    return blueprint


class _Readiness:
    """The last answer, kept for a second, so that probes cost the same however many there are."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lock = threading.Lock()
        self._until = 0.0
        self._found: list[Finding] = []

    def failures(self) -> list[Finding]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = is_ready(self._hub)
                self._until = time.monotonic() + _READY_FOR
            return self._found


def _read_token(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigurationError(_SETTING, "it cannot be read") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(_SETTING, "others can read it: set its mode to 0600")
    if len(text) < _SHORTEST_TOKEN:
        raise ConfigurationError(_SETTING, f"the token has fewer than {_SHORTEST_TOKEN} characters")
    return text.encode()
