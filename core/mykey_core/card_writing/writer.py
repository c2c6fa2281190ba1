"""Bringing one card to what it shall be: read, plan, one journaled step after the other, read back.

A writing is a generator that yields journal entries. Whoever drives it makes an entry durable before going on, one
card at a time or many at once (`campaigns`): so a step is never sent before its intent is on disk, and nothing here
knows what a database is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mykey_core.card_writing.card_state import CardState
from mykey_core.card_writing.desk import CardDesk, OutcomeUnknown
from mykey_core.card_writing.errors import WritingCode, WritingRefused
from mykey_core.card_writing.plan import Operation, Plan, Step, plan_floor, plan_other, plan_rotation, plan_write
from mykey_core.card_writing.profiles import ServiceImage

StepState = Literal["intent", "done", "unknown", "refused"]
WritingState = Literal["done", "unknown", "refused", "quarantined"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the journal. An `intent` has to be durable before the generator goes on."""

    number: int
    step: Step
    state: StepState
    code: WritingCode | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The card has been read; `plan` is what will be done. The driver may refuse the card here."""

    state: CardState
    plan: Plan


@dataclass(frozen=True, slots=True)
class Ending:
    """How a writing ended. `unknown`: the card has to be read again; `quarantined`: it must not be tried again."""

    state: WritingState
    code: WritingCode | None = None
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """What shall be done with a card. `image` for WRITE; `service` and `issuer` for the others."""

    operation: Operation
    service: int
    issuer: int
    generation: int
    image: ServiceImage | None = None
    with_value: bool = False
    dry_run: bool = False

    def plan(self, state: CardState) -> Plan:
        """The missing steps; `WritingRefused` when the card cannot be brought there."""
        if self.operation is Operation.CHECK:
            return Plan(self.operation, ())
        if self.operation is Operation.RAISE_FLOOR:
            return plan_floor(self.generation, state)
        if self.operation is Operation.ROTATE:
            return plan_rotation(self.issuer, state, self.generation)
        if self.operation is Operation.WRITE and self.image is not None:
            return plan_write(self.image, state, self.generation)
        return plan_other(self.operation, self.service, self.issuer, state, with_value=self.with_value)


Writing: TypeAlias = Generator[Entry | Found, None, Ending]
Steps: TypeAlias = Generator[Entry, None, Ending]
Admission: TypeAlias = Callable[[CardState], None]


def write_card(desk: CardDesk, job: Job) -> Writing:
    """The whole writing of one card; see the module. Nothing is ever sent twice without reading in between."""
    try:
        return (yield from _written(desk, job))
    finally:
        desk.close()


def _written(desk: CardDesk, job: Job) -> Writing:
    try:
        state = desk.read(*_full(job))
        if job.operation is Operation.MOVE_OUT:
            state = desk.read(*state.services)
        plan = job.plan(state)
        yield Found(state, plan)
    except WritingRefused as refusal:
        return refused(refusal, 0)
    if job.dry_run or not plan.steps:
        return Ending("done")
    return (yield from _steps(desk, job, plan))


def _full(job: Job) -> tuple[int, ...]:
    return (job.service,) if job.service else ()


def _steps(desk: CardDesk, job: Job, plan: Plan) -> Writing:
    ending = yield from run_steps(plan, lambda step: desk.do(step, job.image))
    return ending if ending.state != "done" else _read_back(desk, job, ending.steps)


def run_steps(plan: Plan, do: Callable[[Step], None]) -> Steps:
    """Do one step after the other, each between its two entries; stops at the first that is not done."""
    for number, step in enumerate(plan.steps):
        yield Entry(number, step, "intent")
        try:
            do(step)
        except OutcomeUnknown as doubt:
            yield Entry(number, step, "unknown", doubt.code)
            return Ending("unknown", doubt.code, number)
        except WritingRefused as refusal:
            yield Entry(number, step, "refused", WritingCode(refusal.code))
            return refused(refusal, number)
        yield Entry(number, step, "done")
    return Ending("done", steps=len(plan.steps))


def _read_back(desk: CardDesk, job: Job, steps: int) -> Ending:
    """The card is as it shall be when a new plan has nothing to do."""
    try:
        left = job.plan(desk.read_back(job.service)).steps
    except WritingRefused as refusal:
        unread = refusal.code == WritingCode.CARD_PULLED
        return Ending("unknown" if unread else refused(refusal, steps).state, WritingCode(refusal.code), steps)
    if left:
        return Ending("unknown", WritingCode.CARD_NOT_AS_PLANNED, steps)
    return Ending("done", steps=steps)


def refused(refusal: WritingRefused, steps: int) -> Ending:
    """How a refusal after `steps` steps ends the writing."""
    code = WritingCode(refusal.code)
    return Ending("quarantined" if code is WritingCode.CARD_QUARANTINED else "refused", code, steps)
