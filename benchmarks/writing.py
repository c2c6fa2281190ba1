"""P15: personalising virtual cards beside the cryptographic floor of both sides; and the rates of campaigns.

    python benchmarks/writing.py                    # P15, in this process
    python benchmarks/writing.py --campaign 100000  # campaigns without and with a token (SoftHSM), two workers

The floor does, with bare `cryptography` calls and nothing else, what both sides have to compute for one card: the key
tree, two SCP03 sessions, eleven protected commands and their answers, keys wrapped, unwrapped and checked. The second
ratio adds the MACs of the card's storage, which make its writes safe against power cuts. Rounds are interleaved.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode

from mykey_core.card_writing.campaigns.journal import Journal
from mykey_core.card_writing.writer import Ending
from mykey_testkit import softhsm
from mykey_testkit.card_writing import EmulatedCard, town_keys, write, write_job

ROUNDS = 9
CARDS = 60
KEY, MASTER, BLOCK, CONTEXT = bytes(16), bytes(32), bytes(16), bytes(16)
DERIVATIONS = 17 + 2 * 2 * 5  # the tree: five sets, one single key; two sessions, two sides, five keys or cryptograms
WRAPPED = 16  # five sets and a single key, on each side
CHECK_VALUES = WRAPPED * 2 + 13  # presented, checked, and answered to PUT KEY
COMMANDS = (160, 80, 80, 80, 32, 48)  # CREATE, PUT KEY, and the profile: bytes of data, padded
PLAIN = 5  # ACTIVATE and reading: no data to encrypt
ANSWERS = (16, 16, 16, 16, 48, 32, 16, 96)  # PUT KEY, and what is read back
STORED = (*[48] * 90, *[720] * 14, *[352] * 6)  # ring cells, service and purse banks: MACs of the card's storage


def mac(size: int) -> None:
    """One AES-CMAC over `size` bytes."""
    context = CMAC(algorithms.AES(KEY))
    context.update(bytes(size))
    context.finalize()


def encrypt(size: int) -> None:
    """AES-CBC over `size` bytes, with its vector by AES-ECB."""
    Cipher(algorithms.AES(KEY), modes.ECB()).encryptor().update(BLOCK)  # noqa: S305 - SCP03's vector
    encryptor = Cipher(algorithms.AES(KEY), modes.CBC(BLOCK)).encryptor()
    encryptor.update(bytes(size))
    encryptor.finalize()


def protocol_floor() -> None:
    """Everything that keys, sessions and messages of one card need on both sides."""
    for _ in range(DERIVATIONS):
        KBKDFCMAC(
            algorithms.AES, Mode.CounterMode, 16, 4, 4, CounterLocation.BeforeFixed, b"MYKEY-SVC-1", CONTEXT, None
        ).derive(MASTER)
    for _ in range(2 * WRAPPED):
        Cipher(algorithms.AES(KEY), modes.CBC(BLOCK)).encryptor().update(BLOCK)
    for _ in range(CHECK_VALUES):
        Cipher(algorithms.AES(KEY), modes.ECB()).encryptor().update(BLOCK)  # noqa: S305 - a check value
    for size in (*COMMANDS, *ANSWERS):
        encrypt(size)
        encrypt(size)
    for size in (*COMMANDS, *[0] * PLAIN, 16, 16):  # the two proofs, too
        mac(size + 21)
        mac(size + 21)
    for size in (*ANSWERS, *[0] * (len(COMMANDS) + PLAIN - len(ANSWERS))):
        mac(size + 18)
        mac(size + 18)


def storage_floor() -> None:
    """The MACs of the card's storage for one personalisation."""
    for size in STORED:
        mac(size)


def personalise(cards: list[EmulatedCard]) -> None:
    """Write the demo profile, with journal entries, read-back and all, onto cards that left the factory."""
    keys = town_keys(1)
    for card in cards:
        ending: Ending = write(card.insert(), write_job(), keys).ending
        assert ending.state == "done"


def timed(work: Callable[[], None]) -> float:
    """CPU seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def p15() -> None:
    """Print the medians and both ratios."""
    rows: dict[str, list[float]] = {"protocol": [], "storage": [], "ours": []}
    for _ in range(ROUNDS):
        cards = [EmulatedCard(serial=secrets.token_bytes(7)) for _ in range(CARDS)]
        rows["protocol"].append(timed(lambda: [protocol_floor() for _ in range(CARDS)] and None))
        rows["storage"].append(timed(lambda: [storage_floor() for _ in range(CARDS)] and None))
        rows["ours"].append(timed(lambda cards=cards: personalise(cards)))
    protocol, storage, ours = (statistics.median(values) / CARDS for values in rows.values())
    print(f"P15  {ROUNDS} interleaved rounds of {CARDS} cards, CPU time, medians")
    print(f"  floor, protocol and keys   {protocol * 1e6:8.0f} µs a card")
    print(f"  floor, storage of the card {storage * 1e6:8.0f} µs a card")
    print(f"  ours, both sides           {ours * 1e6:8.0f} µs a card  {1 / ours:6.0f} cards/s a core")
    print(f"  ratio to both floors       {ours / (protocol + storage):8.2f} (target ≤ 4)")
    print(f"  ratio to the protocol's    {ours / protocol:8.2f}")


def campaigns(count: int) -> None:
    """Run whole campaigns as processes: wall time, CPU time a card (all processes of the run), cards a second."""
    with tempfile.TemporaryDirectory() as folder:
        token = softhsm.initialise(Path(folder) / "token")
        hsm = [
            "--hsm",
            "--hsm-module",
            token.module,
            "--hsm-token",
            token.token_label,
            "--hsm-pin-file",
            token.pin_file,
        ]
        runs: dict[str, tuple[int, list[object]]] = {
            "software": (count, []),
            "SoftHSM, pkcs11-sign": (count // 10, [*hsm, "--hsm-kind", "sign"]),
            "SoftHSM, pkcs11-resident": (count // 10, [*hsm, "--hsm-kind", "resident"]),
        }
        print("campaigns on simulated cards")
        for number, (name, (cards, options)) in enumerate(runs.items()):
            out = Path(folder) / str(number)
            arguments = ["campaign", "run", "--simulate", cards, "--workers", 2, "--out", out, *options]
            command = [sys.executable, "-m", "mykey_core", *map(str, arguments)]
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own program
            wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            rate = f"{cards / wall:7,.0f} cards/s, 2 workers, start and report included"
            print(f"  {name:24} {cards:7,} cards  {wall:7.1f} s wall  {cpu / cards * 1e3:6.2f} ms CPU a card  {rate}")
            check(out, cards)


def check(out: Path, cards: int) -> None:
    """Every card has to be done, else the figure means nothing."""
    journal = Journal(out)
    assert journal.count() == {"done": cards}
    journal.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaign", type=int, metavar="CARDS", help="also run campaigns")
    wanted = parser.parse_args()
    p15()
    if wanted.campaign:
        campaigns(wanted.campaign)
