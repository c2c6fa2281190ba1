"""A hub on a loopback port with the sample plugin that runs outside of it, in Node."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import OKPKey
from werkzeug.serving import make_server

from mykey_core.worker.run import Worker
from mykey_testkit.browsers import PageClient, citizen_client
from mykey_testkit.clock import ManualClock
from mykey_testkit.hub import HubHarness

SAMPLE = Path(__file__).parents[1] / "remote_sample"
GRANTS = '"tap", "audit", "people", "http", "attribute:municipality", "host:{host}"'
HTML = {"Accept": "text/html", "Accept-Language": "en"}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Town:
    """A hub, the address of the remote plugin, and the key of the plugin."""

    hub: HubHarness
    plugin: str
    key: OKPKey
    worker: Worker

    def send(self) -> int:
        """One round of the worker: events into webhooks, webhooks sent."""
        self.worker.deliver_due()
        return self.worker.webhooks.send_due()

    def login_address(self, **changes: str) -> str:
        """Where the plugin sends the browser, as a path of the hub."""
        answer = httpx.get(f"{self.plugin}/login", params=changes, trust_env=False)
        parts = urlsplit(answer.headers["Location"])
        return f"{parts.path}?{parts.query}"

    def authorize(self, browser: PageClient, address: str, decision: str = "agree") -> str:
        """Go through the hub's pages; the address at which the browser leaves the hub."""
        answer = browser.get(address, headers=HTML)
        if answer.status_code == 200:
            import html
            import re

            asked = re.search(r'name="request" value="([^"]*)"', answer.text)
            assert asked is not None, answer.text
            form = {"request": html.unescape(asked[1]), "decision": decision}
            answer = browser.post("/oidc/consent", form, headers=HTML)
            if (answer.location or "").startswith("/oidc/authorize"):
                answer = browser.get(answer.location, headers=HTML)
        return str(answer.location)

    def sign_in(self, persona: str = "adult", browser: PageClient | None = None, **changes: str) -> Any:
        """The whole flow; what the plugin's callback answers."""
        citizen = browser or citizen_client(self.hub, persona)
        left = self.authorize(citizen, self.login_address(**changes))
        return httpx.get(left, trust_env=False)

    def call(self, scope: str, path: str, content: Any = None) -> httpx.Response:
        """Let the plugin call the hub's REST interface as itself."""
        body = {"scope": scope, "path": path, "content": content}
        return httpx.post(f"{self.plugin}/call", json=body, trust_env=False)

    def seen(self) -> Any:
        """What the plugin has taken."""
        return httpx.get(f"{self.plugin}/seen", trust_env=False).json()


def manifest_text(plugin: str, key: OKPKey) -> str:
    """The sample's manifest for this address and key."""
    text = (SAMPLE / "festival.toml").read_text(encoding="utf-8")
    return (
        text.replace("PLUGIN", plugin)
        .replace("PUBLIC", str(key.as_dict(private=False)["x"]))
        .replace("HOST", urlsplit(plugin).netloc)
    )


def make_town(folder: Path, plugin: str, origin: str, key: OKPKey) -> HubHarness:
    """A hub with the sample registered."""
    manifest = folder / "festival.toml"
    manifest.write_text(manifest_text(plugin, key), encoding="utf-8")
    host = urlsplit(plugin).netloc
    plugins = (
        f'[plugins.festival]\nmanifest = "{manifest}"\ngrants = [{GRANTS.format(host=host)}]\n'
        f'local_hosts = ["{host}"]\n'
    )
    hub = folder / "town"
    hub.mkdir()
    return HubHarness(hub, plugins, ["festival-desk"], clock=ManualClock(datetime.now(UTC)), origin=origin)


def new_key() -> tuple[OKPKey, bytes]:
    """(key, PEM)."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return OKPKey.import_key(pem), pem


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A hub that listens, and the plugin as a process of its own."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    ports = free_port(), free_port()
    origin, plugin = (f"http://127.0.0.1:{port}" for port in ports)
    key, pem = new_key()
    (tmp_path / "key.pem").write_bytes(pem)
    harness = make_town(tmp_path, plugin, origin, key)
    server = make_server("127.0.0.1", ports[0], harness.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    environment = {
        "PATH": os.environ["PATH"],
        "HUB": origin,
        "PORT": str(ports[1]),
        "CLIENT": "festival",
        "KEY": str(tmp_path / "key.pem"),
    }
    process = subprocess.Popen([node, str(SAMPLE / "festival.mjs")], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Town(harness, plugin, key, Worker(harness.hub))
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
        server.shutdown()
        server.server_close()
        thread.join(5)
        harness.close()


@pytest.fixture
def remote_manifest() -> Callable[[str, OKPKey], str]:
    """The sample's manifest for an address and a key."""
    return manifest_text


@pytest.fixture
def remote_key() -> Callable[[], tuple[OKPKey, bytes]]:
    """Make a key: as JWK and as PEM."""
    return new_key
