"""Running a campaign: workers, batches, the canary, stop rules. The journal is the only state; a run can die anywhere.

The process that runs this touches no card. It hands out positions of cards that are not at an end, canary first.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

from mykey_core.card_writing.campaigns.hold import HELD, is_held
from mykey_core.card_writing.campaigns.journal import Journal
from mykey_core.card_writing.campaigns.lanes import LANES
from mykey_core.card_writing.campaigns.worker import WORKERS_LOCK, locked, work
from mykey_core.card_writing.errors import CampaignError

RUN_LOCK: Final = "run.lock"
_MAX_DEATHS: Final = 3
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class StopRules:
    """When a campaign stops by itself.

    `quarantined` cards refused our proof; `failure_share` of the cards that ended (looked at from `failure_from` cards
    on) were not written. `canary_share` of all cards, at least `canary_least`, go first and all must succeed.
    """

    quarantined: int = 3
    failure_share: float = 0.02
    failure_from: int = 200
    canary_share: float = 0.005
    canary_least: int = 10

    def verdict(self, ended: Mapping[str, int]) -> str | None:
        """Why to stop now, as a code; None to go on."""
        all_ended = sum(ended.values())
        failed = all_ended - ended.get("done", 0)
        if ended.get("quarantined", 0) >= self.quarantined:
            return "quarantined"
        if all_ended >= self.failure_from and failed > self.failure_share * all_ended:
            return "failure-rate"
        return None

    def canary(self, cards: int) -> int:
        """How many cards go first."""
        return min(cards, max(self.canary_least, round(cards * self.canary_share))) if self.canary_share else 0


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    batch: list[int] = field(default_factory=list)


class Campaign:
    """One run over the unfinished cards of a journal."""

    def __init__(self, folder: Path, journal: Journal, rules: StopRules, *, workers: int) -> None:
        self._folder = folder
        self._journal = journal
        self._rules = rules
        self._count = workers
        self._workers: list[_Worker] = []
        self._ended: dict[str, int] = {}
        self._deaths = 0

    def run(self, progress: Progress) -> str | None:
        """Write what is unfinished; returns the code of the stop rule that ended the run, or None.

        `CampaignError` when another run is at work here, or workers die again and again.
        """
        with locked(self._folder / RUN_LOCK, shared=False):
            with locked(self._folder / WORKERS_LOCK, shared=False):
                pass  # nobody of an earlier run is still writing
            waiting = self._journal.unfinished()
            self._ended = {state: count for state, count in self._journal.count().items() if state in _ENDS}
            try:
                return self._run(waiting, progress)
            finally:
                self._stop_workers()

    def _run(self, waiting: list[int], progress: Progress) -> str | None:
        facts = self._journal.facts()
        first = max(0, self._rules.canary(int(facts["cards"])) - sum(self._ended.values()))
        self._start_workers()
        if first and (reason := self._write(waiting[:first], progress)):
            return reason
        if first and self._not_done():
            return "canary"
        return self._write(waiting[first:], progress)

    def _not_done(self) -> int:
        return sum(count for state, count in self._ended.items() if state != "done")

    def _write(self, positions: list[int], progress: Progress) -> str | None:
        """Hand out batches until all are written or a stop rule speaks; batches under way are always awaited."""
        batches = deque(_batches(positions, self._count))
        reason = self._held()
        while any(worker.batch for worker in self._workers) or (batches and not reason):
            for worker in self._workers:
                if batches and not reason and not worker.batch:
                    worker.batch = batches.popleft()
                    worker.pipe.send(worker.batch)
            for worker, ended in self._answers():
                if ended is None:
                    batches.appendleft(worker.batch)
                    self._replace(worker)
                    continue
                worker.batch = []
                for state, count in ended.items():
                    self._ended[state] = self._ended.get(state, 0) + count
                progress(sum(ended.values()))
            reason = reason or self._rules.verdict(self._ended) or self._held()
        return reason

    def _held(self) -> str | None:
        return HELD if is_held(self._folder) else None

    def _answers(self) -> Iterator[tuple[_Worker, dict[str, int] | None]]:
        """Answers that are there; None for a worker that has died (its cards are read again by another)."""
        ready = wait([worker.pipe for worker in self._workers if worker.batch])
        for worker in [worker for worker in self._workers if worker.pipe in ready]:
            try:
                yield worker, worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                yield worker, None

    # -- processes --------------------------------------------------------------------------------------------

    def _start_workers(self) -> None:
        self._workers = [self._started() for _ in range(self._count)]

    def _started(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, self._folder), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _replace(self, dead: _Worker) -> None:
        self._deaths += 1
        dead.pipe.close()
        dead.process.join()
        self._workers.remove(dead)
        if self._deaths > _MAX_DEATHS:
            raise CampaignError("workers died several times: look for memory, disk and token, then run it again")
        self._workers.append(self._started())

    def _stop_workers(self) -> None:
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()
        self._workers = []


_ENDS: Final = frozenset({"done", "refused", "quarantined"})


def _batches(positions: list[int], workers: int) -> Iterable[list[int]]:
    size = max(1, min(LANES, -(-len(positions) // workers)))
    return (positions[at : at + size] for at in range(0, len(positions), size))


def facts_of(journal: Journal) -> dict[str, Any]:
    """The facts of a journal; `CampaignError` when there is no campaign in the folder."""
    try:
        return journal.facts()
    except Exception as error:
        raise CampaignError("there is no campaign in this folder") from error
