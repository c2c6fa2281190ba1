"""Host and card of SCP03 with each other, in every combination: key length, mode, level, kind of challenge."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from mykey_cardap.globalplatform.derivation import ScpMode
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.messaging import SecurityLevel
from mykey_cardap.globalplatform.scp03 import Scp03Session

Card = Callable[..., Any]
Keys = Callable[..., ScpKeys]
EVERYTHING = list(product((16, 24, 32), ScpMode, SecurityLevel, (0x60, 0x70)))


@pytest.mark.parametrize(("size", "mode", "level", "parameter"), EVERYTHING)
def test_a_conversation_in_every_combination(
    size: int, mode: ScpMode, level: SecurityLevel, parameter: int, channel_card: Card, scp_keys: Keys
) -> None:
    """Data, no data, a warning with data and an error go through, and the application sees plain commands."""
    card = channel_card(size, parameter=parameter | (mode is ScpMode.S16))
    session = Scp03Session.open(card, scp_keys(size), security_level=level, mode=mode)
    for _ in range(2):
        assert session.send_apdu(bytes.fromhex("8001000003616263 00")).hex() == "6162639000"
        assert session.send_apdu(bytes.fromhex("80020000")).hex() == "9000"
        assert session.send_apdu(bytes.fromhex("8003631003616263")).hex() == "6162636310"
        assert session.send_apdu(bytes.fromhex("80036A8803616263")).hex() == "6a88"
    assert bytes(card.plain[0]).hex() == "800100000361626300"
    assert session.hello.sequence_counter == (1 if parameter & 0x10 else None)
