"""What the client believes: late, doubled, repeated and foreign answers, in the ways in which systems send them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mykey_library.sip2 import requests, responses
from mykey_library.sip2.dialogue import Dialogue
from mykey_library.sip2.errors import LineBroken
from mykey_library.sip2.framing import RESEND_BY_CLIENT, RESEND_BY_SERVER, seal
from mykey_library.sip2.profiles import profile_with, system_profile
from mykey_library.sip2.table import Codec

LEND = requests.Checkout(patron="10000017", item="A1000001")
ASK = requests.ItemInformation(item="A1000001")


def _lent(item: str = "A1000001", *, ok: bool = True, due: str = "20261207    235959") -> bytes:
    return Codec().encode(
        responses.CheckoutResponse(ok=ok, renewal_ok=False, patron="10000017", item=item, title="銀河", due=due)
    )


def _begun(profile: str = "mykey") -> Dialogue:
    dialogue = Dialogue(system_profile(profile))
    dialogue.begin(LEND)
    return dialogue


def test_sequence_numbers_run_round() -> None:
    """0 to 9 and 0 again, never two digits."""
    dialogue = Dialogue(system_profile("mykey"))
    digits = [dialogue.begin(ASK).partition(b"AY")[2][:1] for _ in range(12)]
    assert b"".join(digits) == b"012345678901"


def test_the_answer() -> None:
    """The answer with the request's AY is taken."""
    answer = _begun().received(seal(_lent(), 0))
    assert isinstance(answer, responses.CheckoutResponse)


@pytest.mark.parametrize(
    "frame",
    [seal(_lent(), 9), seal(_lent("A1000002"), 0), seal(b"1803" + b"0101" + b" " * 18 + b"ABA1000001|AJx|", 0)],
    ids=["of an earlier request", "of another item", "of another kind"],
)
def test_not_for_this_request(frame: bytes) -> None:
    """What does not belong to the request is passed over, and the right answer still taken."""
    dialogue = _begun()
    assert dialogue.received(frame) is None
    assert dialogue.received(seal(_lent(), 0)) is not None


def test_96_sends_the_same_bytes() -> None:
    """The request was not executed: the same bytes with the same AY go out again, a limited number of times."""
    dialogue = Dialogue(profile_with("mykey", {"retries": 2}))
    sent = dialogue.begin(LEND)
    assert [dialogue.received(RESEND_BY_SERVER) for _ in range(2)] == [sent, sent]
    with pytest.raises(LineBroken):
        dialogue.received(RESEND_BY_SERVER)


@pytest.mark.parametrize(
    "again", [seal(_lent(), 1), seal(_lent(), None), seal(_lent(), 0)], ids=["same AY", "no AY", "AY0"]
)
def test_a_damaged_answer_is_asked_for_again(again: bytes) -> None:
    """97 goes out; the repeated answer is taken with the first AY, without AY, and with AY0 as Evergreen sends it."""
    dialogue = Dialogue(system_profile("koha"))
    dialogue.begin(ASK)
    dialogue.begin(LEND)  # AY1
    assert dialogue.received(_lent() + b"AY1AZ0000") == RESEND_BY_CLIENT + b"\r"
    assert isinstance(dialogue.received(again), responses.CheckoutResponse)


def test_the_repeat_of_an_older_answer_is_not_taken() -> None:
    """After 97 a system may repeat what came before the request: that is not its answer."""
    dialogue = _begun("koha")
    first = dialogue.received(seal(_lent(), 0))
    assert first is not None
    dialogue.begin(LEND)
    dialogue.received(b"12 spoilt AY1AZ0000")
    assert dialogue.received(seal(_lent(), 0)) is None


def test_time_out() -> None:
    """A system that replays is asked again with the same bytes; with any other the line is given up."""
    dialogue = Dialogue(system_profile("mykey"))
    sent = dialogue.begin(LEND)
    assert dialogue.timed_out() == sent
    with pytest.raises(LineBroken):
        _begun("koha").timed_out()


def test_an_answer_that_makes_no_sense() -> None:
    """A whole answer outside the table is not guessed at: the truth is looked up."""
    with pytest.raises(LineBroken):
        _begun().received(seal(b"12?" + _lent()[3:], 0))


def test_an_unsealed_answer_is_asked_for_again() -> None:
    """With error detection an answer without AY and AZ may be half of one."""
    assert _begun().received(_lent()) == RESEND_BY_CLIENT + b"\r"


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([_lent(), seal(_lent(), 3), b"96AZFEF6"])), max_size=8)
)
@settings(max_examples=200, deadline=None)
def test_never_a_wrong_answer(frames: list[bytes]) -> None:
    """Whatever comes, the only thing believed is an answer to this request; nothing else than LineBroken is raised."""
    dialogue = _begun()
    try:
        believed = [step for frame in frames if (step := dialogue.received(frame)) and not isinstance(step, bytes)]
    except LineBroken:
        return
    assert believed == []
