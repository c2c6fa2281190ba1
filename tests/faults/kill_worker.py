"""Kills a hub with SIGKILL at random points under load, again and again, and counts what became of its taps.

Run by `test_faults_kill.py` as a process of its own, because it forks. Each child opens the hub anew, lets four threads
tap while a fifth seals the audit, and reports every reply through a pipe before the next tap; the parent kills it. At
the end the database is read: every acknowledged tap is done exactly once, no tap was done twice, nothing was refused,
and the audit verifies.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from http import HTTPStatus
from pathlib import Path

from mykey_core.audit.keeper import AuditKeeper, signer_of
from mykey_core.audit.sealer import Sealer
from mykey_core.audit.verify import verify_log
from mykey_core.clock import system_clock
from mykey_core.errors import StorageUnavailable
from mykey_testkit.hub import LIBRARY, HubHarness, TerminalClient, sign_challenge
from mykey_testkit.postgres import DatabaseUrls

SERVICE = "library-desk"
THREADS = 4
LONGEST_LIFE = 0.6  # seconds of a child under load
SEAL_EVERY = 0.1  # seconds


def child(harness: HubHarness, report: int) -> None:
    """Tap until killed; one line for each reply that came."""
    harness.restart()
    terminal = harness.terminal()
    os.write(report, b"ready\n")
    for _ in range(THREADS):
        threading.Thread(target=tap_forever, args=(terminal, report), daemon=True).start()
    seal_forever(harness)


def seal_forever(harness: HubHarness) -> None:
    """Seal by the computer's own clock, which the records' ids go by."""
    sealer = Sealer(harness.hub.database, harness.municipality, system_clock)
    while True:
        sealer.seal()
        time.sleep(SEAL_EVERY)


def tap_forever(terminal: TerminalClient, report: int) -> None:
    """One tap after the other through a client of its own."""
    client = terminal.another()
    while True:
        challenge = client.begin(SERVICE)
        if "tap_id" not in challenge:
            os.write(report, f"- {challenge['status']} {challenge['code']}\n".encode())
            continue
        answer = client.prove(challenge, sign_challenge("adult", challenge))
        code = "" if answer.status_code == HTTPStatus.OK else answer.get_json()["code"]
        os.write(report, f"{challenge['tap_id']} {answer.status_code} {code}\n".encode())


def one_life(harness: HubHarness, chance: random.Random) -> list[str]:
    """Start a child, kill it at a random moment of its work, and return what it reported."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            child(harness, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as reports:
        first = reports.readline()
        assert first == b"ready\n", "the child died by itself"
        answered = reports.readline()  # however slow the computer is, each life gets as far as a reply
        time.sleep(chance.random() * LONGEST_LIFE)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), "the child died by itself"
        return (answered + reports.read()).decode().splitlines()


def judge(harness: HubHarness, replies: list[str]) -> dict[str, object]:
    """What the database says of the taps that were acknowledged."""
    harness.restart()
    done = Counter(record.facts["tap"] for record in harness.audit("tap.done"))
    acknowledged = [line.split()[0] for line in replies if line.split()[1] == "200"]
    others = Counter(line.split(maxsplit=1)[1] for line in replies if line.split()[1] != "200")
    signer = signer_of(harness.settings)
    AuditKeeper(harness.hub.database, harness.municipality, signer, system_clock).tick()
    audit = verify_log(harness.hub.database, harness.municipality, [signer.verifier])
    return {
        "acknowledged": len(acknowledged),
        "other_replies": dict(others),
        "done": len(done),
        "lost": sum(tap not in done for tap in acknowledged),
        "twice": sum(count > 1 for count in done.values()),
        "audit_records": audit.size,
        "audit_findings": [str(finding) for finding in audit.findings],
    }


def main() -> None:
    """Print the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hub-url")
    parser.add_argument("--owner-url")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    urls = DatabaseUrls(arguments.hub_url, arguments.owner_url) if arguments.hub_url else None
    harness = HubHarness(arguments.folder, LIBRARY, [SERVICE], database=urls)
    harness.import_library()
    assert harness.terminal().tap("adult", SERVICE, "link", patron_number="10000017")["state"] == "done"
    harness.close()
    chance = random.Random(arguments.seed)  # noqa: S311 - a schedule, no secret
    replies: list[str] = []
    for _ in range(arguments.kills):
        replies += one_life(harness, chance)
    try:
        counts = judge(harness, replies)
    except StorageUnavailable as error:
        sys.exit(f"the database did not come back: {error}")
    print(json.dumps({"kills": arguments.kills, **counts}))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
