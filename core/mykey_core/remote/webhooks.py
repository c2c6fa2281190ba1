"""Webhooks to remote plugins: signed as Standard Webhooks 1.0 has it (`v1a`, Ed25519), in order, at least once.

What is to be sent waits in the outbox. It is sent outside of any transaction, and a receiver that repeats an id that it
has seen does nothing twice. standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mykey_core.outbox.leases import Leased, Leases
from mykey_core.plugins.errors import CapabilityDenied
from mykey_core.plugins.loader import LoadedPlugin
from mykey_core.plugins.manifest import Capability
from mykey_core.remote.hooks import LOGOUT, webhooks_of
from mykey_core.remote.keys import ProviderKeys, Use
from mykey_core.remote.logout import logout_token

if TYPE_CHECKING:
    from mykey_core.hub import Hub

LEASE: Final = timedelta(seconds=60)
"""Longer than a request may take (`plugins.http.TIMEOUT`): nobody else sends the same meanwhile."""
MOST_AT_ONCE: Final = 100
_OK: Final = range(200, 300)
_log = logging.getLogger(__name__)


def signed_headers(key: Ed25519PrivateKey, event_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks over exactly these bytes."""
    timestamp = str(int(at.timestamp()))
    signature = key.sign(b".".join((event_id.encode(), timestamp.encode(), body)))
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1a,{base64.b64encode(signature).decode()}",
    }


class WebhookSender:
    """Sends what waits for the remote plugins of one hub. `client` makes the HTTP client of a plugin (tests)."""

    def __init__(self, hub: Hub, client: Callable[[LoadedPlugin], httpx.Client] | None = None) -> None:
        self._hub = hub
        self._keys = ProviderKeys(hub.settings.provider_key_file)
        self._leases = Leases(hub.database, hub.settings.municipality)
        self._client = client or (lambda plugin: plugin.context.http)

    @property
    def has_receivers(self) -> bool:
        """Whether any active plugin runs outside."""
        return bool(self._receivers())

    def send_due(self) -> int:
        """Send what is due to every remote plugin, oldest first; how many were taken.

        One that is not taken is tried again later and holds up those behind it, for that plugin only.
        """
        return sum(self._send_to(name, plugin) for name, plugin in self._receivers().items())

    def _receivers(self) -> Mapping[str, LoadedPlugin]:
        plugins = self._hub.plugins.plugins.items()
        return {name: plugin for name, plugin in plugins if plugin.context.manifest.remote is not None}

    def _send_to(self, name: str, plugin: LoadedPlugin) -> int:
        for sent in range(MOST_AT_ONCE):
            row = self._leases.claim(webhooks_of(name), self._hub.clock(), LEASE)
            if row is None or not self._sent(plugin, row):
                return sent
        return MOST_AT_ONCE

    def _sent(self, plugin: LoadedPlugin, row: Leased) -> bool:
        try:
            taken = self._post(plugin, row)
        except (httpx.HTTPError, CapabilityDenied) as error:
            _log.warning("%s did not take webhook %s: %s", row.subscriber, row.id, type(error).__name__)
            taken = False
        if not taken:
            self._leases.put_off(row.id, row.subscriber, self._hub.clock())
            return False
        self._hub.database.commit(lambda session: self._leases.done(session, row.id, row.subscriber))
        return True

    def _post(self, plugin: LoadedPlugin, row: Leased) -> bool:
        """True when the receiver took it, or has no address for this kind: then there is nobody to tell."""
        remote = plugin.context.manifest.remote
        address = None if remote is None else remote.logout_uri if row.kind == LOGOUT else remote.webhook
        if address is None or not plugin.context.may(Capability.HTTP):
            return True
        headers, body = self._logout(plugin, row) if row.kind == LOGOUT else self._webhook(row)
        answer = self._client(plugin).post(address, content=body, headers=headers)
        if answer.status_code not in _OK:
            _log.warning("%s answered webhook %s with %d", row.subscriber, row.id, answer.status_code)
        return answer.status_code in _OK

    def _webhook(self, row: Leased) -> tuple[dict[str, str], bytes]:
        content = {"type": row.kind, "timestamp": row.created_at.isoformat(), "data": dict(row.facts)}
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        key: Any = self._keys.signing(Use.WEBHOOK).private_key
        headers = signed_headers(key, str(row.id), self._hub.clock(), body)
        return {**headers, "Content-Type": "application/json"}, body

    def _logout(self, plugin: LoadedPlugin, row: Leased) -> tuple[dict[str, str], bytes]:
        token = logout_token(self._keys, plugin.context.name, row, self._hub.clock())
        return {"Content-Type": "application/x-www-form-urlencoded"}, urlencode({"logout_token": token}).encode()
