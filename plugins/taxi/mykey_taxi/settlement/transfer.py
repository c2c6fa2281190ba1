"""The transfer file of a closed month: every operator with something due, one payment each (TX-M2, ZG-8, ZG-9)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mykey_taxi.errors import CycleError, InputError
from mykey_taxi.register import Operator
from mykey_taxi.settlement.close import ClosedMonth
from mykey_taxi.settlement.cycle import parse_cycle
from mykey_taxi.zengin.banks import named
from mykey_taxi.zengin.build import build
from mykey_taxi.zengin.days import pay_day
from mykey_taxi.zengin.parse import parse
from mykey_taxi.zengin.records import Payer, Payment, TransferFile


class PayerAccount(BaseModel):
    """The town as the bank knows it, from a TOML file: code and name of the payer, and the account it pays from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    code: Annotated[str, Field(pattern=r"^[0-9]{1,10}$")]
    name: str
    bank: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    branch: Annotated[str, Field(pattern=r"^[0-9]{3}$")]
    account_type: int = 2
    account: Annotated[str, Field(pattern=r"^[0-9]{1,7}$")]


@dataclass(frozen=True, slots=True)
class Transfer:
    """The bytes of the file, the day on which the bank pays, the number of payments and their sum."""

    content: bytes
    day: date
    payments: int
    total_yen: int


def read_payer(path: Path) -> PayerAccount:
    """The payer of a TOML file; `InputError` names the member that is wrong."""
    try:
        return PayerAccount.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        raise InputError(".".join(map(str, first["loc"])) or path.name, str(first["msg"])) from error


def nominal_day(month: ClosedMonth) -> date:
    """The last day of the month after the close's month, unless another day is asked for."""
    return parse_cycle(month.cycle).following.last_day


def transfer_of(
    month: ClosedMonth, payer: PayerAccount, operators: Mapping[str, Operator], nominal: date | None = None
) -> Transfer | None:
    """The transfer file, read back before it is given out; None when nothing is due.

    `nominal` rolls forward to a bank business day. `CycleError` for an operator without an account.
    """
    due = [entry for entry in month.invoices if entry.due_yen > 0]
    if not due:
        return None
    missing = sorted(entry.operator_id for entry in due if entry.operator_id not in operators)
    if missing:
        raise CycleError(month.cycle, "taxi.operator_unknown", f"no account is known of {', '.join(missing)}")
    day = pay_day(nominal or nominal_day(month))
    account = named(payer.bank, payer.branch, payer.account_type, payer.account, "header")
    payments = tuple(
        _payment(operators[entry.operator_id], entry.due_yen, number) for number, entry in enumerate(due, start=1)
    )
    file = TransferFile(Payer(payer.code, payer.name, f"{day:%m%d}", account), payments)
    content = build(file, ends="crlf")
    if parse(content).total != month.due_yen:
        raise CycleError(month.cycle, "taxi.sums_differ", "the transfer file is not the sum of the invoices")
    return Transfer(content, day, len(payments), file.total)


def _payment(entry: Operator, yen: int, number: int) -> Payment:
    account = named(entry.bank, entry.branch, entry.account_type, entry.account, f"payment {number}")
    return Payment(account, entry.payee, yen, customer1=entry.customer_code)
