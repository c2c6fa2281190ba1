"""What the card's runtime asks of an application that can be installed, selected and personalised.

Applications themselves live in modules of their own; the issuer's security domain is one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from mykey_cardap.apdu import SW, CommandApdu, ResponseApdu
from mykey_cardap.emulator.contents.encode import ber
from mykey_cardap.emulator.globalplatform.contents import Instance
from mykey_cardap.emulator.status import Refused


class Selected(Protocol):
    """An application on one logical channel, from SELECT to the next SELECT: all of its volatile state."""

    @property
    def fci(self) -> bytes:
        """The answer to SELECT."""
        ...

    def process(self, command: CommandApdu) -> ResponseApdu:
        """Answer a command whose class is 00, 04, 80 or 84 (the channel is taken out, parts are joined).

        A raised `Refused` is answered by its status word.
        """
        ...

    def end(self) -> None:
        """End the secure session: any SELECT (also one that fails), reset, power loss, the end of the channel."""
        ...


class CardApplication(Protocol):
    """An installed application: all of its non-volatile state."""

    @property
    def multiselectable(self) -> bool:
        """Whether it can be selected on several channels at once."""
        ...

    def select(self) -> Selected:
        """A new selection."""
        ...

    def personalize(self, block: CommandApdu) -> None:
        """Take one STORE DATA block that follows INSTALL [for personalization]; `Refused` if it is not wanted."""
        ...

    def erase(self) -> None:
        """The instance was deleted from the registry."""
        ...


Factory: TypeAlias = Callable[[Instance, bool], CardApplication]
"""`(instance, fresh)`: the program behind a module AID.

`fresh` is true for INSTALL: whatever an earlier, torn or deleted instance left in memory is to be overwritten,
and the card registers the instance only afterwards. False: power has come back.
"""


class InertApplication:
    """An instance of a module that this emulator has no program for: it can be managed, and knows no command."""

    multiselectable = True

    def __init__(self, instance: Instance, fresh: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - a Factory
        self.fci = ber(0x6F, ber(0x84, instance.aid))

    def select(self) -> InertApplication:
        """There is no volatile state."""
        return self

    def process(self, command: CommandApdu) -> ResponseApdu:  # noqa: ARG002 - whatever it is
        """No command is known."""
        return ResponseApdu(b"", SW.INS_NOT_SUPPORTED)

    def personalize(self, block: CommandApdu) -> None:  # noqa: ARG002 - whatever it is
        """Nothing can be stored."""
        raise Refused(SW.CONDITIONS_OF_USE)

    def end(self) -> None:
        """Nothing to forget."""

    def erase(self) -> None:
        """Nothing to erase."""
