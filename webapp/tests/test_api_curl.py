"""The page `docs/reference/http-api.md`: its examples are typed into a shell, in their order, against a hub."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from mykey_testkit.hub import LIBRARY, HubHarness

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "http-api.md"
_BLOCK = re.compile(r"^```sh\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """(origin of a hub that listens, an enrolment code of it)."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    hub = HubHarness(tmp_path, LIBRARY, ["library-desk"], origin=origin)
    server = make_server("127.0.0.1", port, hub.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield origin, hub.hub.terminals.new_code("desk")
    server.shutdown()
    server.server_close()
    thread.join(5)
    hub.close()


def test_the_examples_work_as_they_stand(address: tuple[str, str], tmp_path: Path) -> None:
    """Each block ends well, and prints what the page says it prints."""
    hub, code = address
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) > 8
    script = "set -eu\n" + "".join(f"{block}\necho '== end'\n" for block, _ in blocks)
    folder = tmp_path / "newcomer"
    folder.mkdir()
    environment = {"PATH": os.environ["PATH"], "HUB": hub, "CODE": code, "NO_PROXY": "*", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.split("== end\n")
    for (block, expected), text in zip(blocks, printed, strict=False):
        if expected:
            assert text.strip() == expected.strip(), block
