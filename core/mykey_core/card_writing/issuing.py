"""Making a card ours: load file, application, card-level key and issuer keys, from an issuer security domain alone.

Decides and drives; talking to the domain is `domain_desk.py`. What services go into the application afterwards is
`plan.py` and `writer.py`, and `issue_and_write` does both in one journal.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from mykey_cardap.globalplatform.registry import LOCKED, CardState
from mykey_cardap.service_application.profile import ServiceHeader
from mykey_core.card_writing.card_state import CardState as OurState
from mykey_core.card_writing.card_state import DomainState
from mykey_core.card_writing.desk import CardDesk
from mykey_core.card_writing.domain_desk import DomainDesk
from mykey_core.card_writing.errors import WritingCode, WritingRefused
from mykey_core.card_writing.plan import Operation, Plan, Step, StepKind
from mykey_core.card_writing.writer import Ending, Entry, Found, Job, refused, run_steps, write_card

_INSTALLED: Final = 0x03
_USABLE: Final = frozenset({CardState.OP_READY, CardState.INITIALIZED, CardState.SECURED})


@dataclass(frozen=True, slots=True)
class IssueJob:
    """What a fresh card shall become: the card `serial` (7 bytes) of the town `issuer`, with K0 of `generation`.

    `code` is the CAP file of the application (its components, as LOAD sends them). `secure` takes the card's life
    cycle to SECURED, which cannot be undone.
    """

    serial: bytes
    issuer: int
    generation: int
    code: bytes = field(repr=False)
    secure: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class FoundDomain:
    """The issuer domain has been read; `plan` is what will be done with it."""

    state: DomainState
    plan: Plan


Issuing: TypeAlias = Generator[Entry | Found | FoundDomain, None, Ending]


def plan_issue(job: IssueJob, state: DomainState, wanted_version: int | None) -> Plan:
    """The steps that are missing; `wanted_version` is that of the issuer keys the card shall have (None: as they are).

    Issuer keys come first: nothing of ours travels under keys that others know. Refuses a locked or dead card.
    """
    if state.card_state not in _USABLE:
        raise WritingRefused(WritingCode.CARD_NOT_AS_PLANNED, f"the card's life cycle is {state.card_state:02X}")
    if state.instance is not None and state.instance & LOCKED:
        raise WritingRefused(WritingCode.CARD_NOT_AS_PLANNED, "the application is locked")
    return Plan(Operation.WRITE, tuple(_missing(job, state, wanted_version)))


def _missing(job: IssueJob, state: DomainState, wanted_version: int | None) -> Iterator[Step]:
    if wanted_version is not None and wanted_version not in state.key_versions:
        yield Step(StepKind.ISSUER_KEYS, 0)
    if not state.loaded:
        yield Step(StepKind.LOAD, 0)
    if state.instance is None:
        yield Step(StepKind.INSTALL, 0)
    elif state.instance == _INSTALLED:
        yield Step(StepKind.SELECTABLE, 0)
    if not state.generation:
        yield Step(StepKind.PERSONALIZE, 0)
    if job.secure:
        later = (CardState.INITIALIZED, CardState.SECURED)
        yield from (Step(StepKind.CARD_STATE, wanted) for wanted in later if wanted > state.card_state)


def issue_card(desk: DomainDesk, job: IssueJob) -> Issuing:
    """Bring a card to the application with its card-level key; nothing is sent twice without reading in between."""
    try:
        return (yield from _issued(desk, job))
    finally:
        desk.close()


def _issued(desk: DomainDesk, job: IssueJob) -> Issuing:
    try:
        state = desk.read(job.serial)
        plan = plan_issue(job, state, desk.wanted_version)
    except WritingRefused as refusal:
        return refused(refusal, 0)
    yield FoundDomain(state, plan)
    if job.dry_run or not plan.steps:
        return Ending("done")
    ending = yield from run_steps(plan, lambda step: desk.do(step, job))
    return ending if ending.state != "done" else _read_back(desk, job, ending.steps)


def _read_back(desk: DomainDesk, job: IssueJob, steps: int) -> Ending:
    try:
        left = plan_issue(job, desk.read(job.serial), desk.wanted_version).steps
    except WritingRefused as refusal:
        unread = refusal.code == WritingCode.CARD_PULLED
        return Ending("unknown", WritingCode.CARD_PULLED, steps) if unread else refused(refusal, steps)
    return Ending("unknown", WritingCode.CARD_NOT_AS_PLANNED, steps) if left else Ending("done", steps=steps)


def issue_and_write(domain: DomainDesk, issue: IssueJob, desk: CardDesk, job: Job) -> Issuing:
    """From a fresh card to one with a service, in one sequence of numbered steps."""
    first = yield from issue_card(domain, issue)
    if first.state != "done":
        return first
    if issue.dry_run:
        yield Found(_after(issue), job.plan(_after(issue)))
        return first
    writing = write_card(desk, job)
    while True:
        try:
            item = next(writing)
        except StopIteration as end:
            ending: Ending = end.value
            return replace(ending, steps=first.steps + ending.steps)
        yield replace(item, number=first.steps + item.number) if isinstance(item, Entry) else item


def _after(issue: IssueJob) -> OurState:
    """What a fresh card has when it has been issued, for a dry run that shows every step."""
    header = ServiceHeader(0, issue.serial, issue.issuer, 0, issue.generation, (issue.generation,))
    return OurState(header, 1, 0, {})
