"""The content of a transfer file: who pays from which account, and the payments. How it is written is in `build.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """An account at a branch. `account_type`: 1 ordinary, 2 current, 4 savings deposit, 9 other."""

    bank: str
    bank_name: str
    branch: str
    branch_name: str
    account_type: int
    account: str


@dataclass(frozen=True, slots=True)
class Payer:
    """The header: the payer's code at the bank, name and account, and the day of transfer as MMDD."""

    code: str
    name: str
    mmdd: str
    account: Account


@dataclass(frozen=True, slots=True)
class Payment:
    """One transfer of `amount` yen. `edi` is text of up to 20 bytes in place of both customer codes."""

    account: Account
    payee: str
    amount: int
    customer1: str | int = 0
    customer2: str | int = 0
    edi: str | None = None
    new_code: int = 0
    telegraphic: int = 7


@dataclass(frozen=True, slots=True)
class TransferFile:
    """A whole file."""

    payer: Payer
    payments: tuple[Payment, ...]

    @property
    def total(self) -> int:
        """The sum of all payments in yen."""
        return sum(payment.amount for payment in self.payments)
