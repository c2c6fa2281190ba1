"""The transaction MAC, as the back office verifies it: the terminal cannot, because it never has the key.

Scheme of the DESFire data sheet MF2DL, 10.3, with the first eight bytes of the CMAC as the value.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import constant_time
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC

from mykey_cardap.service_application.errors import InvalidServiceDataError, TransactionMacError
from mykey_cardap.service_application.numbers import KEY_SIZE, SERIAL_SIZE, TRANSACTION_MAC_SIZE
from mykey_cardap.service_application.orders import Order, Receipt

_SESSION_HEADER = bytes.fromhex("5A00010080")


def session_key(key: bytes, *, counter: int, serial: bytes) -> bytes:
    """The key of the transaction number `counter` (TMC after it) on the card `serial` (7 bytes), from K4."""
    if len(key) != KEY_SIZE or len(serial) != SERIAL_SIZE:
        raise InvalidServiceDataError("K4 has 16 bytes, a card's serial 7")
    return _cmac(key, session_input(counter=counter, serial=serial))


def session_input(*, counter: int, serial: bytes) -> bytes:
    """What K4 makes a CMAC of, for a K4 that stays in a token; `mac_over` goes on with the outcome."""
    return _SESSION_HEADER + counter.to_bytes(4, "little") + serial


def mac_over(session: bytes, transaction: bytes) -> bytes:
    """The transaction MAC under a session key: the first 8 bytes of the CMAC."""
    return _cmac(session, transaction)[:TRANSACTION_MAC_SIZE]


def transaction_mac(key: bytes, *, counter: int, serial: bytes, transaction: bytes) -> bytes:
    """The 8 bytes over `transaction` = order (27 bytes) ‖ balance after it (10 bytes)."""
    return mac_over(session_key(key, counter=counter, serial=serial), transaction)


def verify_receipt(key: bytes, order: Order, receipt: Receipt, *, serial: bytes) -> None:
    """Raise `TransactionMacError` unless the card `serial` committed exactly this, with this counter and balance.

    That the counter was not seen before is for the caller to check.
    """
    transaction = bytes(order) + bytes(receipt.balance)
    expected = transaction_mac(key, counter=receipt.counter, serial=serial, transaction=transaction)
    if not constant_time.bytes_eq(expected, receipt.mac):
        raise TransactionMacError("the transaction MAC is wrong")


def _cmac(key: bytes, message: bytes) -> bytes:
    context = CMAC(algorithms.AES(key))
    context.update(message)
    return context.finalize()
