"""Reading a transfer file back: length, order and kinds of its records, count and sum of its trailer (ZG-7)."""

from __future__ import annotations

from typing import Final

from mykey_taxi.errors import ZenginError
from mykey_taxi.zengin import layout
from mykey_taxi.zengin.build import build
from mykey_taxi.zengin.layout import LENGTH, Item
from mykey_taxi.zengin.records import Account, Payer, Payment, TransferFile
from mykey_taxi.zengin.text import ENCODING, Field, half_width

_CRLF: Final = b"\r\n"
_FEWEST: Final = 4


def _records(content: bytes) -> list[bytes]:
    step = LENGTH + (len(_CRLF) if content[LENGTH : LENGTH + 2] == _CRLF else 0)
    if len(content) % step or len(content) < _FEWEST * step:
        raise ZenginError("file", "length", f"records have {LENGTH} bytes, each with CRLF or none with it")
    records = [content[start : start + step] for start in range(0, len(content), step)]
    if any(record[LENGTH:] != _CRLF[: step - LENGTH] for record in records):
        raise ZenginError("file", "length", "CRLF must follow every record or none; LF or CR alone is refused")
    return [record[:LENGTH] for record in records]


def _name_of(number: int, count: int) -> str:
    if number == 0:
        return "header"
    return {count - 2: "trailer", count - 1: "end"}.get(number, f"payment {number}")


def _check_order(kinds: list[str]) -> None:
    for number, kind in enumerate(kinds):
        name = _name_of(number, len(kinds))
        wanted = {"header": "1", "trailer": "8", "end": "9"}.get(name, "2")
        if kind != wanted:
            raise ZenginError(name, "record", f"it is of kind {kind!r}, and {wanted!r} belongs here")


def _fields(record: bytes, items: tuple[Item, ...], name: str) -> dict[str, str]:
    try:
        text = record.decode(ENCODING)
    except UnicodeDecodeError as error:
        raise ZenginError(name, "text", "a byte is no half-width character") from error
    if len(text) != LENGTH:
        raise ZenginError(name, "text", "there is a double-byte character")
    values = {item.name: text[item.position - 1 : item.position - 1 + item.length] for item in items}
    for item in items:
        _check(item, values, name)
    return values


def _check(item: Item, values: dict[str, str], name: str) -> None:
    value = values[item.name]
    if item.kind == "number":
        if values.get("edi_mark") == "Y" and item.name.startswith("customer"):
            return
        if not (value.isascii() and value.isdigit()) or value != (item.value or value):
            raise ZenginError(name, item.name, f"{value!r} cannot stand here")
    elif item.kind == "spaces":
        if value.strip(" ") and (item.name, value) != ("edi_mark", "Y"):
            raise ZenginError(name, item.name, "there must be spaces here")
    else:
        _check_text(value, item.field, name, item.name)


def _check_text(value: str, field: Field, name: str, item: str) -> None:
    try:
        same = half_width(value, field) == value
    except ValueError as error:
        raise ZenginError(name, item, str(error)) from error
    if not same:
        raise ZenginError(name, item, "it holds characters that banks refuse, such as small kana")


def _account(values: dict[str, str]) -> Account:
    numbers = {name: values[name] for name in ("bank", "branch", "account")}
    names = {name: values[name].rstrip(" ") for name in ("bank_name", "branch_name")}
    return Account(account_type=int(values["account_type"]), **numbers, **names)


def _payment(values: dict[str, str], name: str) -> Payment:
    amount = int(values["amount"])
    if amount == 0:
        raise ZenginError(name, "amount", "it is zero")
    codes = (int(values["new_code"]), int(values["telegraphic"]))
    account, payee = _account(values), values["payee"].rstrip(" ")
    if values["edi_mark"] != "Y":
        return Payment(account, payee, amount, values["customer1"], values["customer2"], None, *codes)
    edi = values["customer1"] + values["customer2"]
    _check_text(edi, Field.EDI, name, "edi")
    return Payment(account, payee, amount, 0, 0, edi.rstrip(" "), *codes)


def parse(content: bytes) -> TransferFile:
    """The content of a file; `ZenginError` names the record and field that is wrong. Customer codes come with zeros."""
    records = _records(content)
    _check_order([chr(record[0]) for record in records])
    head = _fields(records[0], layout.HEADER, "header")
    rows = [_fields(record, layout.DATA, f"payment {number}") for number, record in enumerate(records[1:-2], start=1)]
    payments = tuple(_payment(row, f"payment {number}") for number, row in enumerate(rows, start=1))
    file = TransferFile(Payer(head["code"], head["name"].rstrip(" "), head["mmdd"], _account(head)), payments)
    trailer = _fields(records[-2], layout.TRAILER, "trailer")
    _fields(records[-1], layout.END, "end")
    if int(trailer["count"]) != len(payments):
        raise ZenginError(
            "trailer", "count", f"it says {int(trailer['count'])}, and there are {len(payments)} payments"
        )
    if int(trailer["total"]) != file.total:
        raise ZenginError("trailer", "total", f"it says {int(trailer['total'])}, and the payments are {file.total}")
    if build(file, ends="crlf" if content[LENGTH : LENGTH + 2] == _CRLF else "none") != content:
        raise ZenginError("file", "content", "a field holds what cannot stand there")
    return file
