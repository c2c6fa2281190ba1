"""A whole personalisation and a ride over PC/SC, on a card that is another process; OpenSC sees the application."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from mykey_cardap.pcsc import open_card
from mykey_cardap.service_application import ServiceSession, verify_receipt
from mykey_cardap.service_application.key_tree import card_keys, service_key
from mykey_cardap.service_application.numbers import AID, Role
from mykey_cardap.service_application.orders import Kind, OperationId, Order
from mykey_core.card_writing.plan import Operation
from mykey_core.card_writing.profiles import DEMO
from mykey_testkit.card_writing import MASTERS, TOWN, other_job, write, write_job
from mykey_testkit.pcsc import READERS, PrivatePcscd, require_programs


def opensc(pcscd: PrivatePcscd, *commands: str) -> str:
    """What `opensc-tool` says to these APDUs."""
    arguments = [part for command in commands for part in ("-s", command)]
    return subprocess.run(
        ["opensc-tool", "-r", READERS[0], *arguments], env=pcscd.environment, check=True, capture_output=True, text=True
    ).stdout


def key(role: Role, serial: bytes) -> bytes:
    return service_key(MASTERS[1], issuer=TOWN, service=DEMO.service, role=role, generation=1, serial=serial)


@pytest.mark.timeout(120)
def test_written_and_used_over_pcsc(private_pcscd: PrivatePcscd, insert_card: Callable[..., int]) -> None:
    """Selected by OpenSC before and after; written by the hub's writer; a ride whose MAC is right; then moved out."""
    require_programs("opensc-tool")
    insert_card("adult", "--service-application")
    select = f"00A40400{len(AID):02X}{AID.hex().upper()}00"
    before = opensc(private_pcscd, select, "00B09E00E0")
    assert before.count("SW1=0x90, SW2=0x00") == 2
    assert "64 65 6D 6F" not in before  # the label of the service, in EF.DIR
    with open_card(READERS[0]) as connection, connection.transaction() as transport:
        assert write(transport, write_job()).ending.state == "done"
        session = ServiceSession(transport, DEMO.service)
        serial = session.header.serial
        session.authenticate(Role.DEBIT, card_keys(key(Role.DEBIT, serial)))
        order = Order(Kind.RIDE, OperationId(b"TERM0001", 1), 200, 100, datetime(2026, 11, 23, tzinfo=UTC), 1)
        receipt = session.commit(order)
    verify_receipt(key(Role.TRANSACTION_MAC, serial), order, receipt, serial=serial)
    assert (receipt.balance.value, receipt.balance.left) == (900, 3)
    assert "64 65 6D 6F" in opensc(private_pcscd, select, "00B09E00E0")
    with open_card(READERS[0]) as connection, connection.transaction() as transport:
        assert write(transport, write_job()).entries == []
        assert write(transport, other_job(Operation.MOVE_OUT, with_value=True, service=0)).ending.state == "done"
    assert "64 65 6D 6F" not in opensc(private_pcscd, select, "00B09E00E0")
