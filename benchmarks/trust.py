"""Trust: `python benchmarks/trust.py [--quick] [P1 P8 P9 swap]` prints ratios beside the targets of performance.md §6.

P1 validation of a tap, P8 looking up among 5 million revoked serials, P9 taking in a CRL of 1 million and a delta of
5,000, and taps while a snapshot is swapped. Each measurement runs in a process of its own, so that memory counts only
what it is about. `--quick` uses a tenth of the entries and fewer rounds.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import crl_build
import cryptography
from asn1crypto import crl as asn1_crl
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from mykey_core.trust.revocation.answers import SnapshotSource
from mykey_core.trust.revocation.crl import verify_crl
from mykey_core.trust.revocation.follow import following
from mykey_core.trust.revocation.snapshot import open_snapshot
from mykey_core.trust.revocation.store import DirectoryStore
from mykey_testkit.revocation import ca_certificate, issuers

ROUNDS: Final = 7
LOOKUPS: Final = 100_000
MEGA: Final = 1_000_000
DELTA: Final = 5_000
TAPS: Final = 3_000
Result = dict[str, Any]
Taps = Callable[["subprocess.Popen[bytes] | None"], tuple[list[int], list[int]]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    p8: int
    p9: int
    rounds: int


FULL, QUICK = Size(5 * MEGA, MEGA, ROUNDS), Size(MEGA // 2, MEGA // 10, 3)


def memory_bytes(name: str) -> int:
    """A figure of this process's memory: `RssAnon` (what no file backs), `VmRSS`, or the peak `VmHWM`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def forget_peak() -> int:
    """Set the peak back to the present size, which is the answer."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return memory_bytes("VmRSS")


def child(name: str, *arguments: object) -> Result:
    """Run one measurement in a process of its own."""
    command = [sys.executable, __file__, "--child", name, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603 - this file
    result: Result = json.loads(done.stdout)
    return result


# ---- P8: looking up -------------------------------------------------------------------------------------------------


def publish(folder: str, crl_path: str) -> Result:
    """Verify, parse, index and publish one CRL: what the updater does. The file is read inside the measured time."""
    issuers()
    before, begin, cpu = forget_peak(), time.perf_counter(), time.process_time()
    data = Path(crl_path).read_bytes()
    info = DirectoryStore(Path(folder)).publish(verify_crl(data, issuers()))
    return {
        "seconds": time.perf_counter() - begin,
        "cpu": time.process_time() - cpu,
        "peak": memory_bytes("VmHWM") - before,
        "file": len(data),
        "sha256": info.sha256,
    }


def look_up(snapshot_path: str, bits: str, count: str, rounds: str) -> Result:
    """Nanoseconds a look-up through `Snapshot.is_revoked`, and what the process keeps in memory for it."""
    width, entries = int(bits), int(count)
    before, begin = memory_bytes("RssAnon"), time.perf_counter()
    snapshot = open_snapshot(Path(snapshot_path))
    opened = time.perf_counter() - begin
    for key in range(0, 2**32, 2**14):
        snapshot.is_revoked(key)  # every slice is decoded: the most that a worker can come to hold
    kept = memory_bytes("RssAnon") - before
    listed = crl_build.random_serials(entries, width)
    chance = random.Random(7)  # noqa: S311 - test data
    hits = _fresh(chance.sample(listed, LOOKUPS))
    missing = _missing(chance, set(listed), width)
    del listed
    gc.collect()
    correct = all(map(snapshot.is_revoked, hits)) and not any(map(snapshot.is_revoked, missing))
    times: dict[str, list[float]] = {"hit": [], "miss": []}
    for _ in range(int(rounds)):
        for name, serials in (("hit", hits), ("miss", missing)):
            times[name].append(_nanoseconds(snapshot.is_revoked, serials))
    return {
        "opened": opened,
        "correct": correct,
        "kept": max(kept, 0) / entries,
        "file": snapshot.index_bytes / entries,
        **{name: statistics.median(values) for name, values in times.items()},
    }


def _fresh(serials: list[int]) -> list[int]:
    """New integers beside each other in memory, as a tap has its serial at hand."""
    return [int.from_bytes(serial.to_bytes(20)) for serial in serials]


def _missing(chance: random.Random, listed: set[int], width: int) -> list[int]:
    found = (chance.getrandbits(width) for _ in range(LOOKUPS * 3))
    return _fresh([serial for serial in found if serial not in listed][:LOOKUPS])


def _nanoseconds(function: Callable[[int], bool], serials: list[int]) -> float:
    begin = time.thread_time()
    for serial in serials:
        function(serial)
    return (time.thread_time() - begin) / len(serials) * 1e9


def run_p8(size: Size, folder: Path) -> Iterator[str]:
    """The table of P8."""
    heads = f"{'hit ns':>9}{'miss ns':>9}{'kept B/e':>10}{'file B/e':>10}"
    yield f"{'P8  is-revoked':<49}{heads}  target"
    for bits, budget in ((31, 2.5), (159, 10)):
        entries = size.p8
        path, store = folder / f"p8-{bits}.crl", folder / f"p8-{bits}"
        path.write_bytes(crl_build.build_crl(crl_build.random_serials(entries, bits)))
        snapshot = store / "snapshots" / f"{child('publish', store, path)['sha256']}.snapshot"
        found = child("look_up", snapshot, bits, entries, size.rounds)
        path.unlink()
        label = f"    {(bits + 8) // 8}-byte serials, {entries:,}, correct: {found['correct']}"
        cells = f"{found['hit']:>9.0f}{found['miss']:>9.0f}{found['kept']:>10.2f}{found['file']:>10.2f}"
        yield f"{label:<49}{cells}  <= 400 ns, <= {budget} kept"
        yield f"      opening the snapshot: {found['opened'] * 1e6:.0f} us"


# ---- P9: taking a CRL in --------------------------------------------------------------------------------------------


def peer(crl_path: str, reasons: str) -> Result:
    """The same work with asn1crypto: verify, parse, and a dict as the index; or serials alone."""
    ca_key = ca_certificate().public_key()
    assert isinstance(ca_key, rsa.RSAPublicKey)
    before, begin, cpu = forget_peak(), time.perf_counter(), time.process_time()
    data = Path(crl_path).read_bytes()
    found = asn1_crl.CertificateList.load(data)
    tbs = found["tbs_cert_list"]
    ca_key.verify(found["signature"].native, tbs.dump(), padding.PKCS1v15(), SHA256())
    if reasons == "True":
        index = {entry["user_certificate"].native: _reason(entry) for entry in tbs["revoked_certificates"]}
    else:
        index = {entry["user_certificate"].native: "" for entry in tbs["revoked_certificates"]}
    return {
        "seconds": time.perf_counter() - begin,
        "cpu": time.process_time() - cpu,
        "peak": memory_bytes("VmHWM") - before,
        "count": len(index),
    }


def _reason(entry: asn1_crl.RevokedCertificate) -> str:
    value = entry.crl_reason_value
    return "" if value is None else str(value.native)


def delta(folder: str, rounds: str, entries: str) -> Result:
    """Milliseconds to verify, index and publish deltas of 5,000 over a published complete CRL (number 1)."""
    store = DirectoryStore(Path(folder))
    issuers()
    times = []
    for number in range(2, int(rounds) + 3):
        serials = crl_build.random_serials(int(entries), 31, seed=number)
        data = crl_build.build_crl(serials, number=number, base=1)
        begin = time.perf_counter()
        store.publish(verify_crl(data, issuers()))
        times.append((time.perf_counter() - begin) * 1e3)
    return {"milliseconds": statistics.median(times[1:]), "worst": max(times[1:])}


def run_p9(size: Size, folder: Path) -> Iterator[str]:
    """The table of P9. Ours and the peer take turns on the same file."""
    path = folder / "p9.crl"
    path.write_bytes(crl_build.build_crl(crl_build.random_serials(size.p9, 31)))
    mega = path.stat().st_size / 1e6
    heads = f"{'cpu s':>9}{'wall s':>8}{'peak / file':>13}{'/ ours':>8}"
    yield f"{f'P9  a CRL of {size.p9:,} entries, {mega:.0f} MB':<49}{heads}  target"
    samples: dict[str, list[Result]] = {"ours": [], "asn1crypto, same work": [], "asn1crypto, serials only": []}
    for turn in range(1 if size.p9 >= MEGA else size.rounds):
        samples["ours"].append(child("publish", folder / f"p9-{turn}", path))
        samples["asn1crypto, same work"].append(child("peer", path, "True"))
        samples["asn1crypto, serials only"].append(child("peer", path, "False"))
    ours = statistics.median(result["cpu"] for result in samples["ours"])
    targets = {"ours": "peak <= 6 x the file", "asn1crypto, same work": ">= 10 x"}
    for name, results in samples.items():
        cpu, wall, peak = (statistics.median(r[key] for r in results) for key in ("cpu", "seconds", "peak"))
        cells = f"{cpu:>9.2f}{wall:>8.2f}{peak / path.stat().st_size:>13.1f}{cpu / ours:>8.1f}"
        yield f"    {name:<45}{cells}  {targets.get(name, '')}".rstrip()
    found = child("delta", folder / "p9-0", size.rounds, DELTA)
    yield f"    delta of {DELTA:,}: {found['milliseconds']:.1f} ms, worst {found['worst']:.1f}  target <= 20 ms"


# ---- taps while a snapshot is swapped -------------------------------------------------------------------------------


def swap(folder: str, big: str) -> Result:
    """Taps in this process while another verifies, indexes and publishes a large CRL, and this one follows."""
    import tap_validate  # noqa: PLC0415 - only this measurement needs it

    material = tap_validate.make_material(TAPS)
    source = SnapshotSource(DirectoryStore(Path(folder)), look_again_after=60)

    def taps(process: subprocess.Popen[bytes] | None) -> tuple[list[int], list[int]]:
        """Taps of cards not seen before: of 3,000, or until the swap was met. Thread time excludes other programs."""
        times, at_swap, seen = [], [], None
        while True:
            verifier = tap_validate.TokenVerifier(trust=material.store, revocation=source, origin=tap_validate.ORIGIN)
            for case in material.cases:
                begin = time.thread_time_ns()
                verified = verifier.verify(case.text, case.nonce, material.now)
                times.append(time.thread_time_ns() - begin)
                if verified.revocation.source != seen:
                    at_swap, seen = [*at_swap, times[-1]], verified.revocation.source
            if process is None or (process.poll() is not None and len(at_swap) > 1):
                return times, at_swap[1:]

    taps(None)
    still, _ = taps(None)
    with following([source], every=0.05):
        busy, swapped = _while_publishing(taps, folder, big)
    median = statistics.median(busy)
    return {
        "taps": len(busy),
        "still": statistics.median(still) / 1e3,
        "busy": median / 1e3,
        "still99": statistics.quantiles(still, n=1000)[-1] / statistics.median(still),
        "busy99": statistics.quantiles(busy, n=1000)[-1] / median,
        "swap": [taken / median for taken in swapped],
    }


def _while_publishing(taps: Taps, folder: str, big: str) -> tuple[list[int], list[int]]:
    command = [sys.executable, __file__, "--child", "publish", folder, big]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - this file
        return taps(process)


def run_swap(size: Size, folder: Path) -> Iterator[str]:
    """The table of taps during a swap: processor time of the tap's thread."""
    store, big = folder / "swap", folder / "swap.crl"
    first = folder / "first.crl"
    first.write_bytes(crl_build.build_crl(range(2 * MEGA, 2 * MEGA + 1_000), number=1))
    serials = [serial for serial in crl_build.random_serials(size.p9, 31) if not MEGA <= serial < MEGA + TAPS]
    big.write_bytes(crl_build.build_crl(serials, number=2))
    child("publish", store, first)
    found = child("swap", store, big)
    yield f"SWAP taps while {size.p9:,} entries are taken in by the updater ({found['taps']:,} taps)"
    yield f"    median of a tap, before / meanwhile: {found['still']:.0f} / {found['busy']:.0f} us"
    yield f"    99.9th percentile, before / meanwhile: {found['still99']:.2f} / {found['busy99']:.2f} x the median"
    shown = ", ".join(f"{ratio:.2f}" for ratio in found["swap"])
    yield f"    the tap that meets the swap: {shown} x the median  target <= 2 x"


def run_p1(size: Size, _folder: Path) -> Iterator[str]:
    """The table of P1, of `tap_validate`."""
    import tap_validate  # noqa: PLC0415 - only this measurement needs it

    material = tap_validate.make_material(TAPS if size is FULL else TAPS // 3)
    yield tap_validate.table(tap_validate.run(material, size.rounds))


_PARTS: Final = {"P1": run_p1, "P8": run_p8, "P9": run_p9, "swap": run_swap}
_CHILDREN: Final = {"publish": publish, "look_up": look_up, "peer": peer, "delta": delta, "swap": swap}


def main() -> int:
    """Print the tables that were asked for."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(_CHILDREN[sys.argv[2]](*sys.argv[3:])))
        return 0
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="a tenth of the entries")
    options.add_argument("parts", nargs="*", help="P1 P8 P9 swap; all when none is named")
    chosen = options.parse_args()
    size = QUICK if chosen.quick else FULL
    print(f"cryptography {cryptography.__version__}, Python {sys.version.split()[0]}")
    for name in chosen.parts or _PARTS:
        with tempfile.TemporaryDirectory() as folder:
            for line in _PARTS[name](size, Path(folder)):
                print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
