"""One application of the emulated card: its files, its commands and its volatile state.

The commands themselves are functions in `commands/`; choosing the application is the card's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from mykey_cardap.apdu import SW, CommandApdu
from mykey_cardap.emulator.files import Access, ElementaryFile, KeyEf, Pin, PinEf, short_identifier
from mykey_cardap.emulator.status import Refused

Handler: TypeAlias = Callable[["Application", CommandApdu], bytes]
"""Answers a command with response data (status 9000), or raises `Refused`."""

Commands: TypeAlias = Mapping[tuple[int, int], Handler]
"""(CLA, INS) -> handler."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the card behaves where real cards differ. `blocked_sw`: 6984 (measured) or 6983 (ISO)."""

    blocked_sw: int = SW.BLOCKED


@dataclass(slots=True)
class Application:
    """A dedicated file with its elementary files.

    `own_key` is the file identifier of the key that `80 2A xx 00` and presence checks use. `data_objects`
    are what GET DATA returns while this application is selected. `current` and `verified` are volatile:
    SELECT of any application and power-off clear them, nothing else does.
    """

    name: str
    aid: bytes
    files: Mapping[int, ElementaryFile]
    commands: Commands
    own_key: int | None = None
    data_objects: Mapping[int, bytes] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    current: ElementaryFile | None = field(default=None, init=False)
    verified: set[str] = field(default_factory=set, init=False, repr=False)
    _by_sfi: dict[int, ElementaryFile] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_sfi = {short_identifier(file): file for file in self.files.values()}

    def clear(self) -> None:
        """Forget the current file and every verified PIN."""
        self.current = None
        self.verified.clear()

    def pins(self) -> Iterable[Pin]:
        """All PINs of the application, in the order of its files."""
        return (file.pin for file in self.files.values() if isinstance(file, PinEf))

    def by_short_identifier(self, sfi: int) -> ElementaryFile:
        """The file with this short identifier; 6A82 when there is none."""
        try:
            return self._by_sfi[sfi]
        except KeyError:
            raise Refused(SW.FILE_NOT_FOUND) from None

    def current_file(self) -> ElementaryFile:
        """The selected file; 6986 when there is none."""
        if self.current is None:
            raise Refused(SW.NO_CURRENT_EF)
        return self.current

    def require(self, access: Access) -> None:
        """6982 unless one of the PINs of `access` is verified."""
        if access is not None and self.verified.isdisjoint(access):
            raise Refused(SW.SECURITY_STATUS)

    def own_key_file(self) -> KeyEf:
        """The key of the application itself; 6A86 when it has none (P2 = 00 names nothing then)."""
        file = self.files.get(self.own_key) if self.own_key is not None else None
        if not isinstance(file, KeyEf):
            raise Refused(SW.WRONG_P1_P2)
        return file


def file_table(*files: ElementaryFile) -> dict[int, ElementaryFile]:
    """Files by identifier, for `Application.files`."""
    return {file.fid: file for file in files}
