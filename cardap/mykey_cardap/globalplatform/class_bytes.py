"""The host's class bytes: proprietary or not, logical channel, secure messaging and command chaining.

Source: ISO/IEC 7816-4 §5.4.1 and GlobalPlatform Card Specification 2.3.1 §11.1.4.
"""

from __future__ import annotations

from typing import Final

from mykey_cardap.globalplatform.errors import SecureChannelUseError

MAX_CHANNEL: Final = 19
_PROPRIETARY: Final = 0x80
_BASIC_CHANNELS: Final = 4
_BASIC_SECURE, _BASIC_CHAINED = 0x04, 0x10
_FURTHER, _FURTHER_SECURE = 0x40, 0x20


def class_byte(cla: int, channel: int, *, secure: bool = False, chained: bool = False) -> int:
    """The class byte of a command of class 00 or 80 on a channel 0–19."""
    base = cla & _PROPRIETARY | (_BASIC_CHAINED if chained else 0)
    if channel < _BASIC_CHANNELS:
        return base | (_BASIC_SECURE if secure else 0) | channel
    return base | _FURTHER | (_FURTHER_SECURE if secure else 0) | (channel - _BASIC_CHANNELS)


def authenticated_class(cla: int) -> int:
    """The class byte that goes into a C-MAC: secure messaging shown, channel number cleared (Amendment D 6.2.4)."""
    return cla & _PROPRIETARY | _BASIC_SECURE


def check_plain_class(cla: int, channel: int) -> None:
    """`SecureChannelUseError` unless `cla` is 00 or 80, with or without the number of this channel."""
    if cla not in {0x00, _PROPRIETARY, class_byte(0x00, channel), class_byte(_PROPRIETARY, channel)}:
        raise SecureChannelUseError("a secure channel takes commands of class 00 and 80 and marks them itself")
