"""`mykey remote`: keys of plugins that run outside the hub, and the hub's keys towards them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import OKPKey

from mykey_core.errors import MykeyError
from mykey_core.remote.keys import ProviderKeys, Use
from mykey_core.settings import load_settings


@click.group()
def remote() -> None:
    """Plugins that run outside the hub."""


@remote.command(name="new-key")
@click.argument("file", type=click.Path(path_type=Path))
def new_key(file: Path) -> None:
    """Make a plugin's key: the private half into FILE (PEM, mode 0600), the public half as JWK for its manifest."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise click.ClickException(f"{file} exists: name a new file") from error
    with os.fdopen(handle, "wb") as stream:
        stream.write(pem)
    public = OKPKey.import_key(pem).as_dict(private=False)
    click.echo(json.dumps({name: public[name] for name in ("kty", "crv", "x")}))


@remote.command(name="rotate-key")
@click.argument("use", type=click.Choice([use.value for use in Use]))
@click.option("--config", type=click.Path(path_type=Path), default=Path("hub.toml"), help="The hub's settings.")
def rotate_key(use: str, config: Path) -> None:
    """Make a new key of the hub; it signs from the next start on, and the one before stays published."""
    try:
        keys = ProviderKeys(load_settings(config).provider_key_file)
        click.echo(keys.rotate(Use(use)))
    except MykeyError as error:
        raise click.ClickException(str(error)) from error
