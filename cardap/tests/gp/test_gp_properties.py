"""Properties of the secure channel: each role undoes what the other does, and the card's channel obeys its model."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mykey_cardap.apdu import SW, CommandApdu, ResponseApdu
from mykey_cardap.emulator.globalplatform.card_messaging import CardMessaging
from mykey_cardap.emulator.globalplatform.key_sets import KeySet, MemoryKeyStore
from mykey_cardap.emulator.globalplatform.secure_channel import ChannelOptions, SecureChannel, State
from mykey_cardap.globalplatform.derivation import ScpMode, SessionKeys, session_keys
from mykey_cardap.globalplatform.handshake import CardHello, HostHandshake
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.messaging import HostMessaging, SecurityLevel

ENC, MAC, DEK = bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48))
LEVELS = st.sampled_from([level for level in SecurityLevel if level.has_command_mac])
MODES = st.sampled_from(ScpMode)
BYTES = st.integers(0, 255)
COMMANDS = st.builds(
    CommandApdu,
    cla=st.sampled_from([0x00, 0x80]),
    ins=BYTES,
    p1=BYTES,
    p2=BYTES,
    data=st.binary(max_size=600),
    le=st.sampled_from([None, 1, 256]),
    extended=st.booleans(),
)
STATUS = st.sampled_from([0x9000, 0x6283, 0x6310, 0x63C0, 0x6A80, 0x6982, 0x6581])
EXCHANGES = st.lists(st.tuples(COMMANDS, st.binary(max_size=600), STATUS), min_size=1, max_size=6)


def _keys(size: int) -> SessionKeys:
    return session_keys(bytes(range(size)), bytes(range(1, size + 1)), bytes(16))


@given(level=LEVELS, mode=MODES, size=st.sampled_from([16, 24, 32]), exchanges=EXCHANGES)
def test_each_role_undoes_the_other(
    level: SecurityLevel, mode: ScpMode, size: int, exchanges: list[tuple[CommandApdu, bytes, int]]
) -> None:
    """Any commands and answers, in any length: the plain form arrives; data of an error status do not."""
    host = HostMessaging(_keys(size), mode=mode, level=level)
    card = CardMessaging(_keys(size), mode=mode, level=level)
    for command, data, sw in exchanges:
        seen = card.unwrap(host.wrap(command))
        assert (seen.header, seen.data, seen.le) == (command.header, command.data, command.le)
        answer = host.unwrap(card.wrap(ResponseApdu(data, sw)))
        shown = b"" if sw >> 8 not in {0x90, 0x62, 0x63} else data
        assert answer == ResponseApdu(shown, sw)


@given(level=LEVELS, mode=MODES, command=COMMANDS)
def test_protected_commands_grow_as_the_tables_say(level: SecurityLevel, mode: ScpMode, command: CommandApdu) -> None:
    """Padding to whole blocks when there are data, then the MAC; encrypted data do not show."""
    wrapped = HostMessaging(_keys(16), mode=mode, level=level).wrap(command)
    body = len(command.data)
    if level.has_command_encryption and body:
        body = (body // 16 + 1) * 16
    assert len(wrapped.data) == body + mode
    if level.has_command_encryption and len(command.data) >= 8:
        assert command.data not in wrapped.data
    assert CommandApdu.from_bytes(bytes(wrapped)) == wrapped


@given(level=LEVELS, mode=MODES, data=st.binary(max_size=80), position=st.integers(0, 10_000))
def test_no_changed_bit_passes(level: SecurityLevel, mode: ScpMode, data: bytes, position: int) -> None:
    """Any bit of data and MAC of a command, any length of data."""
    from mykey_cardap.emulator.globalplatform.card_messaging import BrokenError

    wrapped = HostMessaging(_keys(16), mode=mode, level=level).wrap(CommandApdu(0x80, 1, 2, 3, data))
    bent = bytearray(wrapped.data)
    bent[position // 8 % len(bent)] ^= 1 << position % 8
    card = CardMessaging(_keys(16), mode=mode, level=level)
    try:
        card.unwrap(CommandApdu(wrapped.cla, 1, 2, 3, bytes(bent), extended=wrapped.extended))
    except BrokenError:
        return
    raise AssertionError("a changed command was taken")


class ChannelMachine(RuleBasedStateMachine):
    """A model of the card's channel (Amendment D, 5.6) walks beside it: state, and who gets an answer."""

    @initialize(parameter=st.sampled_from([0x60, 0x70, 0x71]))
    def make(self, parameter: int) -> None:
        """A card with one key set."""
        self.mode = ScpMode.S16 if parameter & 1 else ScpMode.S8
        store = MemoryKeyStore([KeySet(0x30, ENC, MAC, DEK)])
        self.channel = SecureChannel(store, bytes(8), ChannelOptions(parameter=parameter))
        self.model = State.CLOSED
        self.handshake: HostHandshake | None = None
        self.host: HostMessaging | None = None
        self.executed = 0
        self.expected = 0

    def _send(self, command: CommandApdu) -> ResponseApdu:
        return self.channel.answer(command, self._execute)

    def _execute(self, command: CommandApdu) -> ResponseApdu:
        self.executed += 1
        return ResponseApdu(command.data, SW.OK)

    @rule(level=st.sampled_from(SecurityLevel))
    def initialize_update(self, level: SecurityLevel) -> None:
        """Always possible, always the end of what was before."""
        self.handshake = HostHandshake(mode=self.mode, level=level)
        answer = self._send(self.handshake.first())
        self.hello = CardHello.from_bytes(answer.data, self.mode)
        self.model, self.host = State.CHALLENGED, None

    @rule(version=st.integers(0x31, 0x7F))
    def initialize_update_with_unknown_keys(self, version: int) -> None:
        """Refused, and the session before is over all the same."""
        answer = self._send(CommandApdu(0x80, 0x50, version, 0, bytes(range(self.mode)), 256))
        assert answer.sw == 0x6A88
        self.model, self.host, self.handshake = State.CLOSED, None, None

    @rule(spoil=st.sampled_from(["nothing", "mac", "cryptogram", "length"]))
    def external_authenticate(self, spoil: str) -> None:
        """Opens a challenged channel with the right proof; any other outcome leaves none."""
        if self.handshake is None:
            proof = CommandApdu(0x84, 0x82, 0x33, 0, bytes(2 * self.mode))
        else:
            proof = self.handshake.second(self.hello, ScpKeys(ENC, MAC, DEK))
        data = bytearray(proof.data)
        if spoil == "length":
            data.pop()
        elif spoil != "nothing":
            data[-1 if spoil == "mac" else 0] ^= 1
        answer = self._send(CommandApdu(proof.cla, proof.ins, proof.p1, proof.p2, bytes(data)))
        if self.model is State.ABORTED:
            assert answer.sw == 0x6982
            return
        if self.model is not State.CHALLENGED:
            assert answer.sw == 0x6985
            self.model, self.host = State.CLOSED, None
        elif spoil == "nothing" and self.handshake is not None:
            self.host = self.handshake.finish(answer)
            self.model = State.OPEN
        else:
            assert answer.sw == {"mac": 0x6982, "cryptogram": 0x6300, "length": 0x6700}[spoil]
            self.model = State.CLOSED
        self.handshake = None

    @precondition(lambda self: self.host is not None)
    @rule(data=st.binary(max_size=40))
    def protected_command(self, data: bytes) -> None:
        """Executed once, and the answer comes back."""
        assert self.host
        answer = self.host.unwrap(self._send(self.host.wrap(CommandApdu(0x80, 1, 0, 0, data))))
        assert answer == ResponseApdu(data, SW.OK)
        self.expected += 1

    @rule(secured=st.booleans())
    def command_without_a_mac(self, *, secured: bool) -> None:
        """6982 and abort inside a protected session; free outside one."""
        answer = self._send(CommandApdu(0x84 if secured else 0x80, 1, 0, 0, b"x"))
        level: Any = self.host.level if self.host else None
        if self.model is State.ABORTED or (self.host is not None and (secured or level.has_command_mac)):
            assert answer == ResponseApdu(b"", SW.SECURITY_STATUS)
            self.model, self.host, self.handshake = State.ABORTED, None, None
        else:
            assert answer.sw == SW.OK
            self.expected += 1

    @rule()
    def select(self) -> None:
        """SELECT, reset and closing the logical channel end everything."""
        self.channel.end()
        self.model, self.host, self.handshake = State.CLOSED, None, None

    @invariant()
    def agrees(self) -> None:
        """The card is where the model is, and executed what it should have."""
        if hasattr(self, "channel"):
            assert self.channel.state is self.model
            assert self.executed == self.expected
            assert (self.channel.level is not None) is (self.model is State.OPEN)


TestChannelMachine = ChannelMachine.TestCase
TestChannelMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
