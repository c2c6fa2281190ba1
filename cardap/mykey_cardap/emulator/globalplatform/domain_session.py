"""What the commands of an issuer security domain work on: its options, its memory, its card, and what is half done.

Which command exists and what it needs is in `issuer_domain.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from mykey_cardap.apdu import SW
from mykey_cardap.emulator.contents.encode import ber
from mykey_cardap.emulator.globalplatform.application import CardApplication
from mykey_cardap.emulator.globalplatform.contents import CardContents, ContentsKeyStore, ContentsMemory, Instance
from mykey_cardap.emulator.globalplatform.secure_channel import ChannelOptions, SecureChannel
from mykey_cardap.emulator.status import Refused

ISSUER_DOMAIN_AID: Final = bytes.fromhex("A000000151000000")
_OID_RECOGNITION: Final = bytes.fromhex("06072A864886FC6B01")
_OID_VERSION: Final = bytes.fromhex("600C060A2A864886FC6B02020301")
_OID_SCHEME: Final = bytes.fromhex("630906072A864886FC6B03")
_OID_CHANNEL: Final = bytes.fromhex("2A864886FC6B0403")


class Card(Protocol):
    """What the domain asks of the card's runtime."""

    def install(self, instance: Instance) -> None:
        """Make the program and the memory of a new application."""
        ...

    def remove(self, aid: bytes) -> None:
        """Forget an application's program and memory."""
        ...

    def program(self, aid: bytes) -> CardApplication | None:
        """The program of an installed application."""
        ...

    def is_selected(self, aid: bytes) -> bool:
        """Whether an application is selected on any channel."""
        ...


@dataclass(frozen=True, slots=True)
class DomainOptions:
    """How an issuer domain is set up.

    `built_in_objects` are answered by GET DATA and cannot be written (tag -> value). `two_byte_states`: real
    cards often give 9F70 with a second byte of 00.
    """

    aid: bytes = ISSUER_DOMAIN_AID
    channel: ChannelOptions = field(default_factory=ChannelOptions)
    built_in_objects: Mapping[int, bytes] = field(default_factory=dict)
    two_byte_states: bool = False

    @property
    def recognition(self) -> bytes:
        """Value of GET DATA 0066, which names SCP03 and its parameter (GP 2.3.1, H.2)."""
        channel = ber(0x64, ber(0x06, _OID_CHANNEL, bytes((self.channel.parameter,))))
        return ber(0x73, _OID_RECOGNITION, _OID_VERSION, _OID_SCHEME, channel)


@dataclass(slots=True)
class Loading:
    """A load file on its way: INSTALL [for load] has announced it, LOAD brings blocks."""

    aid: bytes
    digest: bytes
    received: bytearray = field(default_factory=bytearray)
    next_block: int = 0


@dataclass(slots=True)
class Storing:
    """STORE DATA blocks on their way, for the domain (`target` None) or for an application."""

    target: bytes | None = None
    received: bytearray = field(default_factory=bytearray)
    next_block: int = 0


class DomainSession:
    """The domain on one channel: its secure channel, and what is half done."""

    def __init__(self, memory: ContentsMemory, options: DomainOptions, card: Card | None) -> None:
        self.options = options
        self.channel = SecureChannel(ContentsKeyStore(memory), options.aid, options.channel)
        self.loading: Loading | None = None
        self.storing = Storing()
        self.listing: list[bytes] = []
        self._memory = memory
        self._card = card

    @property
    def card(self) -> Card:
        """The card; 6985 while there is none."""
        if self._card is None:
            raise Refused(SW.CONDITIONS_OF_USE)
        return self._card

    @property
    def contents(self) -> CardContents:
        """What the card stores."""
        return self._memory.contents

    def commit(self, contents: CardContents) -> None:
        """Store the card's contents: the one write of a command. 6A84 when they do not fit."""
        if contents.free() < 0:
            raise Refused(SW.NO_SPACE)
        self._memory.commit(contents)

    def forget(self) -> None:
        """Drop what is half done."""
        self.loading, self.storing, self.listing = None, Storing(), []
