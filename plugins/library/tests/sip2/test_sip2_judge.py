"""Independent judge: the client of the package `sip2` against our server, in a process of its own (it prints)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

JUDGE = """
import json, sys
from Sip2.sip2 import Sip2

port, folder, institution, password, steps = json.loads(sys.stdin.read())
client = Sip2()
client.hostName, client.hostPort, client.tlsEnable = "127.0.0.1", port, False
client.logfile_path, client.loglevel, client.socketTimeout = folder, "CRITICAL", 10
client.institutionId, client.scLocation = institution, "MAIN"
client.connect()
answers = []
for name, arguments, patron in steps:
    client.patron = patron
    request = getattr(client, f"sip_{name}_request")(*arguments)
    raw = client.get_response(request)
    parsed = getattr(client, f"sip_{name}_response")(raw) if not raw.startswith("96") else None
    answers.append({"raw": raw, "parsed": parsed})
    open(folder + "/answers.json", "w").write(json.dumps(answers))
client.disconnect()
"""
PATRON = "10000017"


def _judge(port: int, folder: Path, password: str, steps: list[Any], institution: str = "HIMEJI") -> list[Any]:
    steps = [["login", ["kiosk01", password], ""], *steps]
    order = json.dumps([port, str(folder), institution, password, steps])
    done = subprocess.run(
        [sys.executable, "-c", JUDGE], input=order, capture_output=True, text=True, cwd=folder, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[Any] = json.loads((folder / "answers.json").read_text())
    return answers


def test_the_judge_lends_and_returns(library: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    """It logs in, asks, lends, renews, holds, returns, and reads every answer; the store agrees."""
    steps = [
        ["sc_status", [], ""],
        ["patron_status", [], PATRON],
        ["item_information", ["A1000002"], PATRON],
        ["checkout", ["A1000002", "", "Y"], PATRON],
        ["patron_information", ["charged"], PATRON],
        ["renew_all", [], PATRON],
        ["checkin", ["A1000002"], PATRON],
        ["hold", ["+", "", 2, "A1000001"], PATRON],
        ["end_patron_session", [], PATRON],
    ]
    answers = _judge(serve().port, tmp_path, "machine-password", steps)
    parsed = [answer["parsed"] for answer in answers]
    login, status, patron, item, lent, account, _, back, _, end = parsed
    assert (login["fixed"]["Ok"], status["fixed"]["OnlineStatus"]) == ("1", "Y")
    assert patron["variable"]["AA"] == [PATRON]
    assert item["variable"]["AJ"] == ["ポケット竹取"]
    assert lent["fixed"]["Ok"] == "1"
    assert account["variable"]["AU"] == ["A1000002"]
    assert back["fixed"]["Ok"] == "1"
    assert end["fixed"]["EndSession"] == "Y"
    assert library.acts()["lent"] == library.acts()["returned"] == 1


def test_its_wrong_sums_are_refused(library: Any, serve: Callable[..., Any], tmp_path: Path) -> None:
    """It sums code points: with a Japanese institution every checksum is wrong, the answer is 96, nothing is lent."""
    steps = [["checkout", ["A1000001"], PATRON]]
    answers = _judge(serve().port, tmp_path, "machine-password", steps, institution="姫路市立図書館")
    assert answers[1]["raw"].startswith("96AZFEF6")
    assert library.loans() == {}
