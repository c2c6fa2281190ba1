"""A PKCS#11 token for tests: SoftHSM in a temporary folder, one for the whole process.

The library reads its configuration when it is loaded, so there can be only one in a process: tests tell their keys
apart by the municipality's code.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from mykey_core.keys.pkcs11 import TokenSettings
from mykey_testkit.pcsc import require_programs

MODULES = (Path("/usr/lib/softhsm/libsofthsm2.so"), Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"))
LABEL = "mykey-test"
_PIN, _SO_PIN = secrets.token_hex(8), secrets.token_hex(8)


def module() -> Path | None:
    """SoftHSM's library, or None when it is not installed."""
    return next((path for path in MODULES if path.exists()), None)


@cache
def make_token() -> TokenSettings:
    """The settings of an initialised token; the folder lives as long as the process."""
    folder = Path(tempfile.mkdtemp(prefix="mykey-softhsm-"))
    return initialise(folder)


def initialise(folder: Path) -> TokenSettings:
    """Initialise a token below `folder` and point `SOFTHSM2_CONF` of this process (and its children) there."""
    library = module()
    program = shutil.which("softhsm2-util")
    if library is None or program is None:
        raise FileNotFoundError("softhsm2 is not installed")
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    command = [program, "--init-token", "--free", "--label", LABEL, "--pin", _PIN, "--so-pin", _SO_PIN]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    pin_file = folder / "pin"
    pin_file.touch(mode=0o600)
    pin_file.write_text(_PIN)
    return TokenSettings(library, LABEL, pin_file)


@pytest.fixture(scope="session")
def softhsm() -> TokenSettings:
    """The token's settings."""
    require_programs("softhsm2-util")
    return make_token()
