"""Power cuts in the issuer domain's memory: at every page of every command, its contents are the old or the new ones.

The memory, and why a record survives a cut, belong to the service application; here they carry keys and registry.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from mykey_cardap.emulator.globalplatform.cards import default_keys as stored_default_keys
from mykey_cardap.emulator.globalplatform.contents import CardContents
from mykey_cardap.emulator.globalplatform.runtime import OpenCard
from mykey_cardap.emulator.globalplatform.stored_contents import StoredContents, decode, encode
from mykey_cardap.emulator.memory import Fault, Image, Memory, PowerLost, Tear
from mykey_cardap.errors import CardRemovedError
from mykey_cardap.globalplatform.errors import FailureClass, FatalContentError, HandshakeError, failure_class
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.security_domain import SecurityDomainSession

PACKAGE, MODULE, INSTANCE = (bytes.fromhex("F04D594B4559F0" + tail) for tail in ("", "01", "0101"))
CODE = b"\x01\x00\x04\xde\xca\xff\xed\x03\x00\x0c\x01\x08" + MODULE + b"\x00\x08"
SIZE = 1200
Step = Callable[[SecurityDomainSession], object]
NEW = ScpKeys(*(bytes(range(start, start + 16)) for start in (0x00, 0x10, 0x20)))


def load(session: SecurityDomainSession) -> None:
    session.install_for_load(PACKAGE)
    session.load(CODE)


def install(session: SecurityDomainSession) -> None:
    load(session)
    session.install(PACKAGE, MODULE, INSTANCE, parameters=b"note")


STEPS: dict[str, tuple[Step, Step]] = {
    "load": (lambda _: None, load),
    "install": (load, lambda session: session.install(PACKAGE, MODULE, INSTANCE, parameters=b"note")),
    "store": (lambda _: None, lambda session: session.store_data(b"\x42\x04abcd")),
    "put-key": (lambda _: None, lambda session: session.put_keys(NEW, version=0x31, replaces=0x30)),
    "lock": (install, lambda session: session.lock(INSTANCE)),
    "delete": (install, lambda session: session.delete(PACKAGE, related=True)),
}
"""What was done before, and the step that is cut."""


class Socket:
    """A transport that turns the loss of power into a pulled card."""

    def __init__(self, card: OpenCard) -> None:
        self.card = card

    def send_apdu(self, command: bytes) -> bytes:
        """Answer, or the card is gone."""
        try:
            return self.card.process(command)
        except PowerLost:
            self.card.power_off()
            raise CardRemovedError("the card was removed") from None


@pytest.fixture
def stored_card(open_card: Any) -> tuple[OpenCard, Memory]:
    memory = Memory(StoredContents.space(SIZE), chance=random.Random(1))  # noqa: S311 - reproducible
    contents = StoredContents(memory, size=SIZE)
    contents.format(CardContents(keys=(stored_default_keys(),)))
    return open_card(memory=contents), memory


def prepared(card: OpenCard, memory: Memory, before: Step, keys: ScpKeys) -> tuple[Image, SecurityDomainSession]:
    session = SecurityDomainSession(Socket(card))
    session.authenticate(keys)
    before(session)
    memory.arm(None)
    return memory.image(), session


@pytest.mark.parametrize("tear", list(Tear), ids=lambda tear: tear.value)
@pytest.mark.parametrize("name", STEPS)
def test_every_cut_of_every_step(
    name: str, tear: Tear, stored_card: tuple[OpenCard, Memory], default_keys: ScpKeys
) -> None:
    """Old or new, never half; the host learns of a pulled card; the old or the new keys open the next channel."""
    card, memory = stored_card
    before, step = STEPS[name]
    image, session = prepared(card, memory, before, default_keys)
    old = encode(card.contents)
    step(session)
    new, pages = encode(card.contents), memory.steps
    assert new != old
    assert pages > SIZE // memory.page
    seen = set()
    for cut in range(pages):
        memory.restore(image)
        card.power_on()
        _, session = prepared(card, memory, lambda _: None, default_keys)
        if name == "load":
            session.install_for_load(PACKAGE)
        memory.arm(Fault(cut, tear))
        with pytest.raises(CardRemovedError) as pulled:
            session.load(CODE) if name == "load" else step(session)
        assert failure_class(pulled.value) is FailureClass.RETRY
        memory.arm(None)
        card.power_on()
        for _ in range(3):  # and it stays so, although weak bits read differently each time
            seen.add(after := _without_counters(encode(card.contents)))
            assert after in {_without_counters(old), _without_counters(new)}, cut
            card.power_on()
        _opens(card, default_keys, NEW)
    assert _without_counters(old) in seen


def _without_counters(raw: bytes) -> bytes:
    """Sequence counters move with every opened channel."""
    contents = decode(raw)
    kept = tuple(type(keys)(keys.version, keys.keys) for keys in contents.keys)
    return encode(CardContents(contents.state, kept, contents.load_files, contents.instances, contents.objects))


def _opens(card: OpenCard, *candidates: ScpKeys) -> None:
    """The rule after a doubtful PUT KEY: read the key version without authentication, then use its keys."""
    session = SecurityDomainSession(Socket(card))
    versions = {key.version for key in session.key_information()}
    session.authenticate(candidates[0] if versions == {0x30} else candidates[1])


def test_the_sequence_counter_never_goes_back(stored_card: tuple[OpenCard, Memory], default_keys: ScpKeys) -> None:
    """A cut while INITIALIZE UPDATE stores it: no challenge is ever given twice."""
    card, memory = stored_card
    given: list[int] = []
    for cut in range(40):
        memory.arm(Fault(cut, Tear.MIXED))
        try:
            session = SecurityDomainSession(Socket(card))
            given.append(session.authenticate(default_keys).hello.sequence_counter or 0)
        except CardRemovedError:
            pass
        memory.arm(None)
        card.power_on()
        session = SecurityDomainSession(Socket(card))
        given.append(session.authenticate(default_keys).hello.sequence_counter or 0)
    assert given == sorted(set(given))


def test_worn_memory_is_6581(stored_card: tuple[OpenCard, Memory], default_keys: ScpKeys) -> None:
    """Class fatal; the contents are as before, and reading goes on."""
    card, memory = stored_card
    session = SecurityDomainSession(Socket(card))
    session.authenticate(default_keys)
    memory.arm(Fault(0, None, lasting=True))
    with pytest.raises(FatalContentError) as refused:
        session.store_data(b"\x42\x01a")
    assert refused.value.sw == 0x6581
    assert 0x42 not in card.contents.objects
    with pytest.raises(HandshakeError) as worn:
        SecurityDomainSession(Socket(card)).authenticate(default_keys)
    assert worn.value.sw == 0x6581
    assert {key.version for key in SecurityDomainSession(Socket(card)).key_information()} == {0x30}


def test_contents_that_do_not_fit_the_memory(stored_card: tuple[OpenCard, Memory], default_keys: ScpKeys) -> None:
    """6A84, nothing is stored."""
    card, _ = stored_card
    session = SecurityDomainSession(Socket(card))
    session.authenticate(default_keys)
    with pytest.raises(FatalContentError) as refused:
        session.store_data(b"\x45\x82\x03\xe8" + bytes(1000))
    assert refused.value.sw == 0x6A84
    assert 0x45 not in card.contents.objects
