"""The issuer security domain: it authenticates the issuer and manages the card's keys, applications and data.

Here is which command needs what; what the commands do is in `commands_*.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from mykey_cardap.apdu import SW, CommandApdu, ResponseApdu
from mykey_cardap.emulator.contents.encode import ber
from mykey_cardap.emulator.globalplatform import commands_data, commands_install, commands_keys, commands_status
from mykey_cardap.emulator.globalplatform.contents import CardState, ContentsMemory
from mykey_cardap.emulator.globalplatform.domain_session import Card, DomainOptions, DomainSession
from mykey_cardap.emulator.status import Refused

LONGEST_DATA_FIELD: Final = 0xFF
_GET_DATA: Final = 0xCA

DomainCommand: TypeAlias = Callable[[DomainSession, CommandApdu], ResponseApdu | bytes]


@dataclass(frozen=True, slots=True)
class Rule:
    """A command of the domain and what it needs (GP 2.3.1, table 11-2)."""

    run: DomainCommand
    authenticated: bool = True
    when_locked: bool = False


RULES: Final = {
    (0x80, _GET_DATA): Rule(commands_data.get_data, authenticated=False),
    (0x00, _GET_DATA): Rule(commands_data.get_data, authenticated=False),
    (0x80, 0xE2): Rule(commands_data.store_data),
    (0x00, 0xE2): Rule(commands_data.store_data),
    (0x80, 0xD8): Rule(commands_keys.put_key),
    (0x80, 0xE6): Rule(commands_install.install),
    (0x80, 0xE8): Rule(commands_install.load),
    (0x80, 0xE4): Rule(commands_install.delete),
    (0x80, 0xF2): Rule(commands_status.get_status, when_locked=True),
    (0x80, 0xF0): Rule(commands_status.set_status, when_locked=True),
}
_INSTRUCTIONS: Final = frozenset(ins for _, ins in RULES)


class IssuerDomain:
    """The domain's non-volatile side. `attach` gives it the card on which it installs applications."""

    multiselectable = True

    def __init__(self, memory: ContentsMemory, options: DomainOptions | None = None) -> None:
        self.memory = memory
        self.options = options or DomainOptions()
        self._card: Card | None = None

    def attach(self, card: Card) -> None:
        """Make this the issuer domain of `card`."""
        self._card = card

    def select(self) -> DomainSelection:
        """A new selection, without a session."""
        return DomainSelection(DomainSession(self.memory, self.options, self._card))

    def personalize(self, block: CommandApdu) -> None:  # noqa: ARG002 - the domain personalises itself
        """Not by way of INSTALL [for personalization]: STORE DATA alone is for the domain."""
        raise Refused(SW.CONDITIONS_OF_USE)

    def erase(self) -> None:
        """The domain is never deleted."""
        raise Refused(SW.CONDITIONS_OF_USE)


class DomainSelection:
    """The domain on one channel."""

    def __init__(self, session: DomainSession) -> None:
        self.session = session

    @property
    def fci(self) -> bytes:
        """`6F{84 AID, A5{73 recognition, 9F65 longest data field}}`."""
        options = self.session.options
        proprietary = ber(0xA5, options.recognition, ber(0x9F65, bytes((LONGEST_DATA_FIELD,))))
        return ber(0x6F, ber(0x84, options.aid), proprietary)

    def process(self, command: CommandApdu) -> ResponseApdu:
        """Answer a command in any protection."""
        session = self.session
        if session.contents.state is CardState.TERMINATED and command.ins != _GET_DATA:
            raise Refused(SW.CONDITIONS_OF_USE)
        opened = session.channel.level is not None
        response = session.channel.answer(command, self._plain)
        if opened and session.channel.level is None:
            session.forget()
        return response

    def end(self) -> None:
        """The session is over and whatever was half done with it."""
        self.session.channel.end()
        self.session.forget()

    def _plain(self, command: CommandApdu) -> ResponseApdu:
        session, rule = self.session, RULES.get((command.cla, command.ins))
        if rule is None:
            raise Refused(SW.CLASS_NOT_SUPPORTED if command.ins in _INSTRUCTIONS else SW.INS_NOT_SUPPORTED)
        if rule.authenticated and session.channel.level is None:
            raise Refused(SW.SECURITY_STATUS)
        if rule.authenticated and session.contents.state is CardState.CARD_LOCKED and not rule.when_locked:
            raise Refused(SW.CONDITIONS_OF_USE)
        answer = rule.run(session, command)
        return answer if isinstance(answer, ResponseApdu) else ResponseApdu(answer, SW.OK)
