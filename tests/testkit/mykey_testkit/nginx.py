"""nginx as a town runs it: `packaging/nginx` with the paths and ports of one test, and its certificates."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mykey_web.demo.processes import free_port

HUB_NAME = "hub.example.jp"
TERMINALS_NAME = "localhost"  # stands for terminals.example.jp, because a terminal has to find it by name
_PACKAGING = Path(__file__).resolve().parents[3] / "packaging" / "nginx"
_DAY = timedelta(days=1)
_MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/mykey.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as files and as objects."""

    path: Path
    key_path: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class SmallCa:
    """A CA of the town's own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.own = self._issue(name, None)

    def issue(self, name: str, purpose: x509.ObjectIdentifier) -> Pair:
        """A certificate for a server's name or a terminal."""
        return self._issue(name, purpose)

    def crl(self, *revoked: Pair) -> Path:
        """A fresh CRL."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.own.certificate.subject)
        builder = builder.last_update(now - _DAY).next_update(now + _DAY)
        for one in revoked:
            serial = one.certificate.serial_number
            gone = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - _DAY).build()
            builder = builder.add_revoked_certificate(gone)
        path = self.own.path.with_suffix(".crl")
        path.write_bytes(builder.sign(self.own.key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return path

    def _issue(self, name: str, purpose: x509.ObjectIdentifier | None) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        is_ca = purpose is None
        signer, issuer = (key, subject) if is_ca else (self.own.key, self.own.certificate.subject)
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - _DAY).not_valid_after(now + _DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        if purpose is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return self._stored(name, builder.sign(signer, hashes.SHA256()), key)

    def _stored(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
        path, key_path = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        key_path.touch(0o600)
        key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Pair(path, key_path, certificate, key)


class Nginx:
    """nginx in front of a hub on `hub_port`, in a folder of its own, until the block ends."""

    def __init__(self, folder: Path, hub_port: int) -> None:
        folder.mkdir()
        self.folder = folder
        self.port, self.plain_port = free_port(), free_port()
        self.servers = SmallCa(folder, "server-ca")
        self.terminals = SmallCa(folder, "terminal-ca")
        self.door = f"https://{TERMINALS_NAME}:{self.port}"
        places = {
            "127.0.0.1:8000": f"127.0.0.1:{hub_port}",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "server_name terminals.example.jp": f"server_name {TERMINALS_NAME}",
            "/etc/ssl/mykey/hub": str(folder / HUB_NAME),
            "/etc/ssl/mykey/terminals": str(folder / TERMINALS_NAME),
            "/etc/ssl/mykey/terminal-ca": str(folder / "terminal-ca"),
            "/etc/nginx/mykey-proxy.conf": str(_PACKAGING / "mykey-proxy.conf"),
        }
        text = (_PACKAGING / "mykey.conf").read_text(encoding="utf-8")
        for there, here in places.items():
            assert there in text, there
            text = text.replace(there, here)
        (folder / "mykey.conf").write_text(text, encoding="utf-8")
        user = "user root;" if os.getuid() == 0 else ""
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=user), encoding="utf-8")
        for name in (HUB_NAME, TERMINALS_NAME):
            self.servers.issue(name, ExtendedKeyUsageOID.SERVER_AUTH)
        self.terminals.crl()

    def new_terminal(self, name: str) -> Pair:
        """A client certificate of the town's own CA."""
        return self.terminals.issue(name, ExtendedKeyUsageOID.CLIENT_AUTH)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """GET from the hub's public name."""
        return self.ask("GET", path, headers=headers)

    def ask(self, method: str, path: str, *, name: str = HUB_NAME, headers: dict[str, str] | None = None,
            json: object = None) -> httpx.Response:  # fmt: skip
        """A request without a client certificate; TLS asks for `name`, and so does Host unless it is given."""
        trusted = ssl.create_default_context(cafile=str(self.servers.own.path))
        with httpx.Client(verify=trusted, trust_env=False, timeout=20) as client:
            return client.request(
                method, f"https://127.0.0.1:{self.port}{path}", headers={"Host": name, **(headers or {})}, json=json,
                extensions={"sni_hostname": name},
            )  # fmt: skip

    def __enter__(self) -> Self:
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        command = [program, "-e", str(self.folder / "error.log"), "-p", str(self.folder)]
        command += ["-c", str(self.folder / "nginx.conf")]
        checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{self.plain_port}/", trust_env=False)
            except httpx.TransportError:
                assert time.monotonic() < until, (self.folder / "error.log").read_text()
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)


def require_nginx() -> None:
    """Skip the test where nginx is not installed; in CI this is a failure."""
    if shutil.which("nginx") is None and not Path("/usr/sbin/nginx").is_file():
        reason = "nginx is not installed (Debian: nginx-light)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
