"""Any order of selecting, verifying, resetting and reading, against a model of the rules EMU-10, 13, 15 and 16."""

from __future__ import annotations

from datetime import date

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mykey_cardap.emulator import personas
from mykey_cardap.emulator.cards import make_card

TODAY = date(2026, 11, 23)
ADULT = personas.load("adult", TODAY)
TEXT, FACE = "D3921000310001010408", "D3921000310001010402"
PIN, A, B = ADULT.text_pin.encode(), ADULT.number_a.encode(), ADULT.number_b.encode()
BIRTH = ADULT.holder.birth_key.encode()
KEYS = {(TEXT, 0x11): (PIN, 3), (TEXT, 0x14): (A, 10), (TEXT, 0x15): (B, 10)} | {
    (FACE, 0x11): (BIRTH, 10),
    (FACE, 0x12): (B, 10),
    (FACE, 0x13): (A, 10),
}
# Which keys open a file; None: nothing needed. Written from the card reference, not from the code.
OPENS = {
    TEXT: {1: {0x11, 0x14}, 2: {0x11, 0x15}, 3: {0x11, 0x14, 0x15}, 4: None, 5: None, 6: {0x11, 0x14, 0x15}},
    FACE: {1: {0x11}, 2: {0x12, 0x13}, 3: None, 4: None, 5: {0x13}, 6: {0x12, 0x13}},
}


class CardMachine(RuleBasedStateMachine):
    """One card, its model, and everything a terminal may do with the two APs."""

    def __init__(self) -> None:
        super().__init__()
        self.card = make_card("adult", today=TODAY)
        self.remaining = {key: tries for key, (_, tries) in KEYS.items()}
        self.selected: str | None = None
        self.verified: set[int] = set()

    @initialize()
    def switch_on(self) -> None:
        """The card gets power."""
        self.card.power_on()

    @rule(ap=st.sampled_from([TEXT, FACE]))
    def select(self, ap: str) -> None:
        """Selecting, also the same AP again, forgets what was verified."""
        assert self._send(f"00A4040C0A{ap}") == "9000"
        self.selected, self.verified = ap, set()

    @rule()
    def select_unknown(self) -> None:
        """A failed SELECT changes nothing."""
        assert self._send("00A4040C0AD3921000310001010409") == "6a82"

    @rule()
    def power_cycle(self) -> None:
        """Power-off clears everything but the counters."""
        self.card.power_on()
        self.selected, self.verified = None, set()

    @rule()
    def warm_reset(self) -> None:
        """A warm reset clears nothing."""
        self.card.reset()

    @rule(key=st.sampled_from(sorted({fid for _, fid in KEYS})), candidate=st.sampled_from([PIN, A, B, BIRTH, b"0"]))
    def verify(self, key: int, candidate: bytes) -> None:
        """Any of the card's secrets presented to any key."""
        answer = self._send(f"002000{0x80 | key:02X}{len(candidate):02X}{candidate.hex()}")
        where = (self.selected or "", key)
        assert answer == self._expected(where, candidate)

    def _expected(self, where: tuple[str, int], candidate: bytes) -> str:
        if self.selected is None:
            return "6986"
        if where not in KEYS:
            return "6981" if where == (TEXT, 0x13) else "6984" if where == (TEXT, 0x12) else "6a82"
        value, tries = KEYS[where]
        if not self.remaining[where]:
            return "6984"
        if candidate == value:
            self.remaining[where] = tries
            self.verified.add(where[1])
            return "9000"
        self.remaining[where] -= 1
        self.verified.discard(where[1])
        return f"63c{self.remaining[where]:x}"

    @invariant()
    def counters_are_those_of_the_model(self) -> None:
        """Asking costs nothing and is always true."""
        for (ap, key), left in self.remaining.items():
            if ap == self.selected:
                assert self._send(f"002000{0x80 | key:02X}") == f"63c{left:x}"

    @invariant()
    def files_open_as_in_the_model(self) -> None:
        """No file is readable by more or by less than its rule says."""
        for fid, keys in OPENS.get(self.selected or "", {}).items():
            status = self._send(f"00B0{0x80 | fid:02X}0001")[-4:]
            assert status == ("9000" if keys is None or keys & self.verified else "6982")

    def _send(self, command: str) -> str:
        return self.card.process(bytes.fromhex(command)).hex()


CardMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCardMachine = CardMachine.TestCase
