"""The container file without a container engine: what reaches the build, what is installed, and how the program runs.

The image's program runs here as another user, from code that it cannot write, with a health check like the image's.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import tomlkit

from mykey_web.demo.processes import free_port
from mykey_web.demo.town import make_town

_ROOT = Path(__file__).resolve().parents[1]
_TEXT = (_ROOT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
_PLUGINS = ("library", "taxi")


def lines(word: str) -> list[str]:
    """The instructions of one kind."""
    return re.findall(rf"^{word} (.*)$", _TEXT, re.MULTILINE)


def locked(name: str) -> dict[str, str]:
    """Package → version of a lock file, each with hashes."""
    blocks = re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==([\w.]+)([^\n]*\\\n(?: +--hash=sha256:[0-9a-f]{64}[ \\]*\n?)+)",
                        (_ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)  # fmt: skip
    return {package: version for package, version, _ in blocks}


def test_nothing_private_reaches_the_build() -> None:
    """Of the whole checkout only what is copied: no history, no state, no key, no environment, no test."""
    rules = (_ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    sources = [path for line in lines("COPY") if "--from" not in line for path in line.split()[:-1]]
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    assert {path.removesuffix("/") for path in sources} == kept
    assert all((_ROOT / path).exists() for path in sources)
    dropped = [rule for rule in rules[1:] if not rule.startswith("!")]
    for secret in ("core/mykey_core/x/keys.pem", "plugins/library/tests/test_x.py", "plugins/x/hub.sqlite3-wal"):
        folders = [secret, *map(str, Path(secret).parents)]
        assert any(fnmatch.fnmatch(f"/{part}", rule.replace("**/", "*/").replace("plugins/*", "/plugins/*"))
                   for part in folders for rule in dropped), secret  # fmt: skip


def test_the_image_is_nobody_in_particular() -> None:
    """A number as user, no shell, no secret in the environment, a health check, SIGTERM, the exec form."""
    assert lines("USER") == ["10001:10001"]
    assert _TEXT.rindex("USER") > _TEXT.rindex("RUN")
    assert not re.search(r"PASSWORD|SECRET|TOKEN|KEY=", " ".join(lines("ENV") + lines("ARG")))
    assert "/healthz" in lines("HEALTHCHECK")[0]
    assert lines("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(lines("ENTRYPOINT")[0]) == ["mykey"]
    assert all("nologin" in line for line in lines("RUN") if "useradd" in line)


def test_what_is_installed_is_locked_and_no_more_than_needed() -> None:
    """Every library that our projects ask for is in the lock of the hub, with the tests' versions, and no tool is."""
    everything, hub = locked("requirements.lock"), locked("requirements-hub.lock")
    assert {name: everything.get(name) for name in hub} == hub
    wanted: set[str] = set()
    for folder in (".", *(f"plugins/{name}" for name in _PLUGINS)):
        project = tomlkit.parse((_ROOT / folder / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]
        wanted |= {re.split(r"[^A-Za-z0-9-]", text)[0].lower() for text in project.get("dependencies", [])}
    assert wanted - {"mykey", "mykey-library", "mykey-taxi"} <= set(hub)
    assert not {"pytest", "hypothesis", "playwright", "ruff", "mypy", "schemathesis", "sip2"} & set(hub)
    build = next(line for line in lines("RUN") if "build.lock" in line)
    needed = re.search(r"\^\(([^)]*)\)==", build)
    assert needed is not None
    assert set(needed[1].split("|")) <= set(everything)


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that other users may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="mykey-image-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_the_program_runs_as_another_user(readable: Path) -> None:
    """A state folder of uid 10001, and nothing else that it may write: ready, healthy, ended by SIGTERM."""
    python, port = sys.executable, free_port()
    state = readable / "state"
    make_town(state, f"http://127.0.0.1:{port}", datetime.now(UTC))
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", "10001:10001", str(state)], check=True)
    config = str(state / "hub" / "hub.toml")
    arguments = ["-m", "mykey_core", "serve", "--config", config, "--host", "0.0.0.0", "--port", str(port)]  # noqa: S104
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH"}}
    environment |= {"HOME": str(state), "PYTHONDONTWRITEBYTECODE": "1"}
    with (readable / "log").open("wb") as log:
        server = subprocess.Popen(as_image(python, *arguments), env=environment, stdout=log, stderr=log)
    try:
        _, *check = json.loads(lines("HEALTHCHECK")[0].partition("CMD ")[2])
        probe = as_image(python, *[word.replace(":8000", f":{port}") for word in check])
        until = time.monotonic() + 60
        while subprocess.run(probe, capture_output=True, check=False).returncode:
            assert server.poll() is None, (readable / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.3)
    finally:
        server.terminate()
    assert server.wait(30) == 0


def as_image(*command: str) -> list[str]:
    """A command as the image's user. It may read wherever this Python lies (below /root, too), and write nowhere new.

    Only root can become another user; anybody else runs it as they are.
    """
    if os.getuid() != 0:
        return list(command)
    reading = "+dac_read_search"
    return ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", f"--bounding-set=-all,{reading}",
            f"--inh-caps=-all,{reading}", f"--ambient-caps=-all,{reading}", *command]  # fmt: skip
