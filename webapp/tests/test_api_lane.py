"""The lane's answer to a proof is Flask's own: status, headers and body."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from mykey_testkit.hub import LIBRARY, HubHarness, TerminalClient, sign_challenge
from mykey_web.api_v1.lane import ProofLane

SERVICE = "library-desk"
_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _hub(folder: Path, environment: str) -> HubHarness:
    harness = HubHarness(folder, LIBRARY, [SERVICE], environment=environment)
    harness.import_library()
    return harness


def _prove(terminal: TerminalClient, headers: dict[str, str], persona: str = "adult") -> TestResponse:
    challenge = terminal.begin(SERVICE)
    body = {"token": sign_challenge(persona, challenge)}
    return terminal.post(f"/taps/{challenge['tap_id']}/proof", body, **headers)


def _seen(answer: TestResponse) -> dict[str, Any]:
    """All of an answer, with ids that are new each time made equal."""
    return {
        "status": answer.status,
        "headers": sorted(line for line in answer.headers.to_wsgi_list() if line[0] != "X-Request-ID"),
        "body": _UUID.sub(b"ID", answer.get_data()),
    }


@pytest.mark.parametrize("environment", ["test", "demo"])
@pytest.mark.parametrize("language", ["ja", "en", "ja-Hira", "fr;q=0.3, en;q=0.2", "", "*"])
def test_the_lane_answers_as_flask_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: str, language: str
) -> None:
    """The same proof through the lane and with the lane switched off, with and without evidence."""
    hub = _hub(tmp_path, environment)
    taken: list[bytes | None] = []
    answer = ProofLane._answer

    def watched(lane: ProofLane, environ: dict[str, Any], tap_id: str) -> bytes | None:
        taken.append(answer(lane, environ, tap_id))
        return taken[-1]

    monkeypatch.setattr(ProofLane, "_answer", watched)
    terminal = hub.terminal()
    assert terminal.tap("adult", SERVICE, "link", patron_number="10000017")["state"] == "done"
    by_lane = _prove(terminal, {"Accept-Language": language})
    assert taken[-1] == by_lane.get_data()  # the lane has answered, not Flask
    monkeypatch.setattr(ProofLane, "_answer", lambda *_: None)
    by_flask = _prove(terminal, {"Accept-Language": language})
    assert _seen(by_lane) == _seen(by_flask)
    hub.close()
