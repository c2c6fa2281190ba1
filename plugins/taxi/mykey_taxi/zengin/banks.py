"""Names of banks and branches from the national list (`zengin-code`), in the half width that the file takes (ZG-9).

The list is loaded when it is first asked for (29,000 branches).
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from mykey_taxi.errors import ZenginError
from mykey_taxi.zengin.records import Account
from mykey_taxi.zengin.text import Field, half_width


@lru_cache(maxsize=1)
def _banks() -> Any:
    return import_module("zengin_code").Bank.all


def names_of(bank: str, branch: str, record: str = "account") -> tuple[str, str]:
    """Half-width names of a bank and its branch; `ZenginError` when the list does not have them."""
    known = _banks().get(bank)
    if known is None:
        raise ZenginError(record, "bank", f"there is no bank {bank} in the national list")
    office = known.branches.get(branch)
    if office is None:
        raise ZenginError(record, "branch", f"the bank {bank} has no branch {branch} in the national list")
    return half_width(known.kana, Field.BANK), half_width(office.kana, Field.BANK)


def named(bank: str, branch: str, account_type: int, account: str, record: str = "account") -> Account:
    """An account with the names of the national list."""
    bank_name, branch_name = names_of(bank, branch, record)
    return Account(bank, bank_name, branch, branch_name, account_type, account)
