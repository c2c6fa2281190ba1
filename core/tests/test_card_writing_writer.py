"""Writing one card: plans, cuts at every APDU, cards that must be refused, and what the journal says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from pydantic import ValidationError

from mykey_cardap.emulator.service_application.contents import Contents
from mykey_cardap.service_application.numbers import LifeCycle, Role
from mykey_core.card_writing.desk import CardDesk
from mykey_core.card_writing.errors import WritingCode, WritingRefused
from mykey_core.card_writing.plan import Operation, Plan, StepKind
from mykey_core.card_writing.profiles import DEMO, CardData, CardProfile, check_profiles
from mykey_core.card_writing.writer import Job
from mykey_testkit.card_writing import (
    DATA,
    MASTERS,
    OTHER_TOWN,
    TOWN,
    EmulatedCard,
    Reader,
    cuts,
    other_job,
    town_keys,
    write,
    write_job,
)

_AUTHENTICATE, _CREATE, _PUT_KEY, _SELECT = 0x82, 0xE0, 0xD8, 0xA4
STEPS_OF_A_NEW_SERVICE = [
    StepKind.CREATE,
    *[StepKind.PUT_KEY] * 4,
    StepKind.PROFILE,
    StepKind.ACTIVATE,
]
Way = Callable[[bytes], bytes]


def test_a_new_service_is_written_and_nothing_is_left_to_do() -> None:
    """All steps are done in their order, the card has the service, and a second writing sends no step."""
    card = EmulatedCard()
    first = write(card.insert(), write_job())
    assert [entry.step.kind for entry in first.entries if entry.state == "intent"] == STEPS_OF_A_NEW_SERVICE
    assert first.ending.state == "done"
    second = write(card.insert(), write_job())
    assert second.entries == []
    assert second.found is not None
    service = second.found.state.services[DEMO.service]
    assert (service.life_cycle, service.generations, service.value) == (LifeCycle.ACTIVATED, (1,) * 5, 1_000)
    assert card.commits() == (2, 6)


def test_a_dry_run_changes_nothing() -> None:
    """The plan is shown, and not one bit of the card is different."""
    card = EmulatedCard()
    before = card.memory.image()
    shown = write(card.insert(), write_job(dry_run=True))
    assert shown.found is not None
    assert [step.kind for step in shown.found.plan.steps] == STEPS_OF_A_NEW_SERVICE
    assert (shown.entries, shown.ending.state) == ([], "done")
    assert card.memory.image() == before


def test_only_the_difference_is_written() -> None:
    """Another profile text is one step; other limits are another one."""
    card = EmulatedCard()
    write(card.insert(), write_job())
    changed = replace(DATA, values={**DATA.values, "class": 4})
    done = write(card.insert(), write_job(data=changed))
    assert [str(entry.step) for entry in done.entries] == ["profile:0301"] * 2
    assert done.ending.state == "done"


def test_every_cut_of_a_personalisation_is_survived() -> None:
    """Pulled before and after each APDU: the journal tells the truth, the next writing does what is missing only."""
    whole = Reader(EmulatedCard().insert())
    write(whole, write_job())
    for at, fault in cuts(len(whole.commands)):
        card = EmulatedCard()
        torn = write(Reader(card.insert(), at, fault), write_job())
        assert torn.ending.state in {"unknown", "refused"}, at
        assert torn.ending.code == WritingCode.CARD_PULLED
        state = CardDesk(card.insert(), town_keys(), owner=132217).read(DEMO.service)
        image = write_job().image
        for entry in torn.entries:
            assert entry.state != "done" or entry.step.is_visible(state, image), at
        again = write(card.insert(), write_job())
        assert again.ending.state == "done", at
        assert card.commits() == (2, 6), (at, fault.__name__)


def test_every_cut_of_a_rotation_is_survived() -> None:
    """The same when a card gets the keys of the next generation: each key is put once, K0 last."""
    base = EmulatedCard()
    write(base.insert(), write_job())
    image = base.memory.image()
    whole = Reader(base.insert())
    rotated = write(whole, write_job(generation=2), town_keys(1, 2))
    assert [entry.step.role for entry in rotated.entries if entry.state == "done"] == [Role.ADMIN, 1, 2, 3, 4, 0]
    for at, fault in cuts(len(whole.commands)):
        card = EmulatedCard()
        card.memory.restore(image)
        write(Reader(card.insert(), at, fault), write_job(generation=2), town_keys(1, 2))
        again = write(card.insert(), write_job(generation=2), town_keys(1, 2))
        assert again.ending.state == "done", at
        assert card.commits() == (3, 11), (at, fault.__name__)


def _rotate(generation: int = 2) -> Job:
    return Job(Operation.ROTATE, 0, TOWN, generation)


def _purse(card: EmulatedCard) -> object:
    contents = Contents(card.memory)
    contents.recover()
    slot = contents.slot(DEMO.service)
    assert slot is not None
    return slot.purse


def test_every_cut_of_new_keys_in_the_field_is_survived() -> None:
    """`rotate` needs no data: each key of card and service is put once, also while suspended; the rest stays."""
    base = EmulatedCard()
    write(base.insert(), write_job())
    write(base.insert(), other_job(Operation.SUSPEND))
    image, purse = base.memory.image(), _purse(base)
    whole = Reader(base.insert())
    rotated = write(whole, _rotate(), town_keys(1, 2))
    assert rotated.ending.state == "done"
    assert [entry.step.role for entry in rotated.entries if entry.state == "done"] == [Role.ADMIN, 1, 2, 3, 4, 0]
    assert write(base.insert(), _rotate(), town_keys(1, 2)).entries == []
    for at, fault in cuts(len(whole.commands)):
        card = EmulatedCard()
        card.memory.restore(image)
        torn = write(Reader(card.insert(), at, fault), _rotate(), town_keys(1, 2))
        again = write(card.insert(), _rotate(), town_keys(1, 2))
        assert again.ending.state == "done", at
        unsure = {str(entry.step) for entry in torn.entries if entry.state == "unknown"}
        done = [str(entry.step) for entry in (*torn.entries, *again.entries) if entry.state == "done"]
        assert len(done) == len(set(done)), at
        assert set(done) | unsure == {str(entry.step) for entry in rotated.entries}, at
        seen = write(card.insert(), replace(write_job(), operation=Operation.CHECK), town_keys(1, 2)).found
        assert seen is not None
        found = seen.state.services[DEMO.service]
        assert (set(found.generations), found.life_cycle) == ({2}, LifeCycle.DEACTIVATED)
        assert _purse(card) == purse


def test_new_keys_are_for_our_services_only() -> None:
    """A service of another town on the card keeps its keys, and so does the card that the other town issued."""
    shared = frozenset({OTHER_TOWN})
    card = EmulatedCard(issuer=OTHER_TOWN)
    assert write(card.insert(), write_job(issuer=OTHER_TOWN), shared_with=shared).ending.state == "done"
    profile = DEMO.model_copy(update={"service": 0x0302})
    ours = replace(write_job(), service=0x0302, image=profile.image(TOWN, DATA))
    assert write(card.insert(), ours, shared_with=shared).ending.state == "done"
    done = write(card.insert(), _rotate(), town_keys(1, 2), shared_with=shared)
    assert done.ending.state == "done"
    seen = write(card.insert(), _rotate(), town_keys(1, 2), shared_with=shared).found
    assert seen is not None
    assert (seen.plan.steps, seen.state.header.generations[0]) == ((), 1)
    assert set(seen.state.services[DEMO.service].generations) == {1}
    assert set(seen.state.services[0x0302].generations) == {2}


def _strip(command: bytes, way: Way) -> bytes:
    return way(command)[-2:]


def _swallow(_command: bytes, _way: Way) -> bytes:
    return b"\x90\x00"


@pytest.mark.parametrize("fault", [_strip, _swallow])
def test_a_step_without_a_valid_answer_is_unknown(fault: Callable[[bytes, Way], bytes]) -> None:
    """An answer without its MAC, or a command that was swallowed, is never taken for success."""
    probe = Reader(EmulatedCard().insert())
    write(probe, write_job())
    at = [command[1] for command in probe.commands].index(_PUT_KEY)
    card = EmulatedCard()
    torn = write(Reader(card.insert(), at, fault), write_job())
    assert torn.entries[-1].state == "unknown"
    assert (torn.ending.state, torn.ending.code) == ("unknown", WritingCode.CARD_TAMPERED)
    assert write(card.insert(), write_job()).ending.state == "done"
    assert card.commits() == (2, 6)


def test_a_refused_proof_is_never_repeated() -> None:
    """One failed EXTERNAL AUTHENTICATE ends the writing in quarantine; no second one is sent."""

    def refuse(command: bytes, way: Way) -> bytes:
        return way(command[:-1] + bytes((command[-1] ^ 1,)))

    probe = Reader(EmulatedCard().insert())
    write(probe, write_job())
    reader = Reader(EmulatedCard().insert(), [command[1] for command in probe.commands].index(_AUTHENTICATE), refuse)
    refused = write(reader, write_job())
    assert (refused.ending.state, refused.ending.code) == ("quarantined", WritingCode.CARD_QUARANTINED)
    assert reader.sent(_AUTHENTICATE) == 1
    assert reader.sent(_CREATE) == 0


def test_a_card_of_another_issuer_is_shown_nothing() -> None:
    """Another town's card, and a card with our town's name and other keys, are refused without a proof of ours."""
    for card in (EmulatedCard(issuer=OTHER_TOWN), EmulatedCard(master=MASTERS[2])):
        reader = Reader(card.insert())
        refused = write(reader, write_job())
        assert (refused.ending.state, refused.ending.code) == ("refused", WritingCode.CARD_NOT_OURS)
        assert reader.sent(_AUTHENTICATE) == 0


class _Empty:
    def send_apdu(self, _command: bytes) -> bytes:
        return bytes.fromhex("6A82")


def test_a_card_without_our_application_is_not_ours() -> None:
    """A card that has never had the application is refused by its first answer."""
    reader = Reader(_Empty())
    assert write(reader, write_job()).ending.code == WritingCode.CARD_NOT_OURS
    assert len(reader.commands) == 1


@pytest.mark.parametrize(("keys", "floor"), [((2,), 1), ((1, 2), 2)])
def test_an_unknown_key_version_is_refused_before_any_proof(keys: tuple[int, ...], floor: int) -> None:
    """A generation that the provider does not have, or that lies below the floor."""
    reader = Reader(EmulatedCard().insert())
    refused = write(reader, write_job(generation=2), town_keys(*keys), floor=floor)
    assert refused.ending.code == WritingCode.CARD_KEYS_UNKNOWN
    assert reader.sent(_AUTHENTICATE) == 0


def test_a_full_card_is_refused_before_anything_is_written() -> None:
    """Eight services fill the card; the ninth is refused, and no CREATE is sent."""
    card = EmulatedCard()
    for service in range(0x0401, 0x0409):
        profile = DEMO.model_copy(update={"service": service})
        job = replace(write_job(), service=service, image=profile.image(132217, DATA))
        assert write(card.insert(), job).ending.state == "done"
    reader = Reader(card.insert())
    assert write(reader, write_job()).ending.code == WritingCode.CARD_FULL
    assert reader.sent(_CREATE) == 0


def test_two_towns_share_a_card() -> None:
    """A service of another town lies beside ours when we hold its keys; its slot is never overwritten by us."""
    card = EmulatedCard()
    shared = frozenset({OTHER_TOWN})
    assert write(card.insert(), write_job(issuer=OTHER_TOWN), shared_with=shared).ending.state == "done"
    profile = DEMO.model_copy(update={"service": 0x0302})
    ours = replace(write_job(), service=0x0302, image=profile.image(132217, DATA))
    assert write(card.insert(), ours).ending.state == "done"
    refused = write(card.insert(), write_job())
    assert refused.ending.code == WritingCode.PROFILE_AID_CLASH
    moved = write(card.insert(), other_job(Operation.MOVE_OUT, with_value=True, service=0))
    assert moved.ending.state == "done"
    left = write(card.insert(), other_job(Operation.CHECK, service=0))
    assert left.found is not None
    assert {found.issuer for found in left.found.state.services.values()} == {OTHER_TOWN}


def test_suspend_resume_and_delete() -> None:
    """A suspended service is resumed; one with money is deleted only when the refund has been settled."""
    card = EmulatedCard()
    write(card.insert(), write_job())
    for operation, state in ((Operation.SUSPEND, LifeCycle.DEACTIVATED), (Operation.RESUME, LifeCycle.ACTIVATED)):
        for _ in range(2):
            assert write(card.insert(), other_job(operation)).ending.state == "done"
        seen = write(card.insert(), other_job(Operation.CHECK)).found
        assert seen is not None
        assert seen.state.services[DEMO.service].life_cycle is state
    assert write(card.insert(), other_job(Operation.DELETE)).ending.code == WritingCode.SERVICE_HAS_VALUE
    for _ in range(2):
        assert write(card.insert(), other_job(Operation.DELETE, with_value=True)).ending.state == "done"
    assert write(card.insert(), other_job(Operation.SUSPEND)).ending.code == WritingCode.SERVICE_NOT_ON_CARD


def test_a_suspended_service_is_not_overwritten() -> None:
    """Writing is no way around a suspension."""
    card = EmulatedCard()
    write(card.insert(), write_job())
    write(card.insert(), other_job(Operation.SUSPEND))
    assert write(card.insert(), write_job()).ending.code == WritingCode.CARD_NOT_AS_PLANNED


@pytest.mark.parametrize(
    "data",
    [
        CardData({"number": "x" * 17}),
        CardData({"number": 5}),
        CardData({"valid_until": "2030-01-01"}),
        CardData({"class": 1 << 16}),
        CardData({"class": -1}),
        CardData({"unknown": "x"}),
        CardData({}),
        CardData({"number": "x"}, value=50_001),
        CardData({"number": "x"}, rides=-1),
        CardData({"number": "x"}, period=1 << 16),
    ],
)
def test_data_that_do_not_fit_are_refused_before_any_card(data: CardData) -> None:
    """A value that is too long, of another type, unknown, or outside the limits."""
    with pytest.raises(WritingRefused) as refused:
        DEMO.image(132217, data)
    assert refused.value.code == WritingCode.PROFILE_DOES_NOT_FIT


@pytest.mark.parametrize(
    "change",
    [
        {"service": 0xFFFF},
        {"service": 1},
        {"label": "長いラベルです"},
        {"fields": [{"name": "a", "size": 120}, {"name": "b", "size": 120}]},
        {"fields": [{"name": "a"}, {"name": "a"}]},
        {"limits": {"lower": 2, "upper": 1}},
        {"access": {"value_debit": "everybody"}},
        {"unknown": 1},
    ],
)
def test_a_manifest_with_an_impossible_profile_is_refused(change: dict[str, object]) -> None:
    """A slot outside the range, a label or fields that are too long, limits and access that no card takes."""
    with pytest.raises(ValidationError):
        CardProfile.model_validate({**DEMO.model_dump(), **change})


def test_two_plugins_cannot_claim_one_slot() -> None:
    """A clash of manifests is found before any card is touched."""
    with pytest.raises(WritingRefused, match="profile_aid_clash"):
        check_profiles({"taxi": DEMO, "other": DEMO})
    check_profiles({"taxi": DEMO, "other": DEMO.model_copy(update={"service": 0x0302})})


def test_no_step_tells_what_is_on_the_card() -> None:
    """What the journal keeps of a step names kind, service, key and generation, and holds no data."""
    done = write(EmulatedCard().insert(), write_job())
    text = " ".join(str(entry.step) for entry in done.entries)
    assert "A-0001" not in text
    assert date(2030, 3, 31).isoformat() not in text
    assert isinstance(done.found.plan if done.found else None, Plan)
