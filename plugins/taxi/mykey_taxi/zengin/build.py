"""Writing a transfer file, byte for byte, or nothing at all: an error names the record and the field (ZG-1 to ZG-5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from mykey_taxi.errors import ZenginError
from mykey_taxi.zengin import layout
from mykey_taxi.zengin.layout import Item
from mykey_taxi.zengin.records import Account, Payer, Payment, TransferFile
from mykey_taxi.zengin.text import ENCODING, Field, fitted

Ends = Literal["none", "crlf"]
_PAYEE_ACCOUNTS: Final = {1, 2, 4, 9}
_PAYER_ACCOUNTS: Final = {1, 2, 9}
_MAX_PAYMENTS: Final = 999_999
_MAX_TOTAL: Final = 999_999_999_999


class _Writer:
    """Fields of one record, checked; `record` names it in errors."""

    def __init__(self, record: str, *, truncate: bool) -> None:
        self._record = record
        self._truncate = truncate

    def fail(self, field: str, message: str) -> ZenginError:
        return ZenginError(self._record, field, message)

    def number(self, item: Item, value: str | int) -> str:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not (text.isascii() and text.isdigit()):
            raise self.fail(item.name, "it takes digits only")
        if len(text) > item.length:
            raise self.fail(item.name, f"it has {len(text)} digits and the field takes {item.length}")
        return text.zfill(item.length)

    def text(self, name: str, value: str, field: Field, length: int) -> str:
        try:
            return fitted(value, field, length, truncate=self._truncate).ljust(length)
        except ValueError as error:
            raise self.fail(name, str(error)) from error

    def record(self, items: tuple[Item, ...], values: Mapping[str, Any]) -> str:
        return "".join(self._item(item, values) for item in items)

    def _item(self, item: Item, values: Mapping[str, Any]) -> str:
        if item.value is not None:
            return item.value
        if item.kind == "spaces":
            return str(values.get(item.name, "")).ljust(item.length)
        if item.kind == "number":
            return self.number(item, values[item.name])
        return self.text(item.name, values[item.name], item.field, item.length)


def _account(writer: _Writer, account: Account, kinds: set[int]) -> dict[str, Any]:
    if account.account_type not in kinds:
        raise writer.fail("account_type", f"it is one of {', '.join(map(str, sorted(kinds)))}")
    return {item: getattr(account, item) for item in Account.__slots__}


def _header(payer: Payer, *, truncate: bool) -> str:
    writer = _Writer("header", truncate=truncate)
    _check_day(writer, payer.mmdd)
    values = {"code": payer.code, "name": payer.name, "mmdd": payer.mmdd}
    return writer.record(layout.HEADER, {**values, **_account(writer, payer.account, _PAYER_ACCOUNTS)})


def _check_day(writer: _Writer, mmdd: str) -> None:
    longest = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    plain = mmdd.isascii() and mmdd.isdigit() and len(mmdd) == len("MMDD")
    if not plain or not 1 <= int(mmdd[:2]) <= len(longest) or not 1 <= int(mmdd[2:]) <= longest[int(mmdd[:2]) - 1]:
        raise writer.fail("mmdd", "the day of transfer is MMDD")


def _data(payment: Payment, number: int, *, truncate: bool) -> str:
    writer = _Writer(f"payment {number}", truncate=truncate)
    if type(payment.amount) is not int or payment.amount <= 0:
        raise writer.fail("amount", "it is a whole number of yen above zero")
    if payment.new_code not in {0, 1, 2} or payment.telegraphic not in {7, 8}:
        raise writer.fail("new_code", "新規コード is 0, 1 or 2, and 振込指定区分 is 7 or 8")
    values = {name: getattr(payment, name) for name in ("payee", "amount", "new_code", "customer1", "customer2")}
    values |= _account(writer, payment.account, _PAYEE_ACCOUNTS) | {"telegraphic": payment.telegraphic}
    if payment.edi is None:
        return writer.record(layout.DATA, values)
    edi = writer.text("edi", payment.edi, Field.EDI, layout.EDI_LENGTH)
    line = writer.record(layout.DATA, values | {"customer1": 0, "customer2": 0, "edi_mark": "Y"})
    start = layout.EDI_POSITION - 1
    return line[:start] + edi + line[start + layout.EDI_LENGTH :]


def _trailer(file: TransferFile) -> str:
    writer = _Writer("trailer", truncate=False)
    if not file.payments or len(file.payments) > _MAX_PAYMENTS:
        raise writer.fail("count", "a file has between 1 and 999,999 payments")
    if file.total > _MAX_TOTAL:
        raise writer.fail("total", "the sum has more than 12 digits; make two files")
    return writer.record(layout.TRAILER, {"count": len(file.payments), "total": file.total})


def build(file: TransferFile, *, ends: Ends = "none", truncate: bool = False) -> bytes:
    """The file's bytes: records of 120 bytes, each followed by CRLF if `ends` says so. `ZenginError` makes no file."""
    lines = [_header(file.payer, truncate=truncate)]
    lines += [_data(payment, number, truncate=truncate) for number, payment in enumerate(file.payments, start=1)]
    lines += [_trailer(file), _Writer("end", truncate=False).record(layout.END, {})]
    end = "\r\n" if ends == "crlf" else ""
    return "".join(line + end for line in lines).encode(ENCODING)
