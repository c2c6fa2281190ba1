"""The transfer file: what is refused, what reads back, and the traps of the libraries beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import jpholiday
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mykey_taxi.errors import ZenginError
from mykey_taxi.zengin.banks import names_of
from mykey_taxi.zengin.build import build
from mykey_taxi.zengin.days import is_business_day, pay_day
from mykey_taxi.zengin.parse import parse
from mykey_taxi.zengin.records import Account, Payer, Payment, TransferFile
from mykey_taxi.zengin.text import Field, cut, fitted, half_width

ACCOUNT = Account("0128", "グンマ", "101", "タツマチ", 1, "1234567")
PAYER = Payer("1234567890", "ﾏｴﾊﾞｼｼ", "0430", replace(ACCOUNT, account_type=2))
PAYMENT = Payment(ACCOUNT, "ｶ)ﾏｴﾊﾞｼﾀｸｼ-", 123450, customer1=1001)
FILE = TransferFile(PAYER, (PAYMENT, replace(PAYMENT, amount=500)))


@pytest.mark.parametrize(
    ("text", "field", "mapped"),
    [
        ("ァィゥェォャュョッヮヵヶ", Field.NAME, "ｱｲｳｴｵﾔﾕﾖﾂﾜｶｹ"),
        ("ｧｨｩｪｫｬｭｮｯ", Field.NAME, "ｱｲｳｴｵﾔﾕﾖﾂ"),
        ("ヰヱヲ", Field.NAME, "ｲｴｵ"),
        ("ヲ", Field.EDI, "ｦ"),
        ("ー－−‐‑–―ｰ", Field.BANK, "--------"),
        ("・･．", Field.BANK, "..."),
        ("ガパヴ", Field.NAME, "ｶﾞﾊﾟｳﾞ"),
        ("カ\u3099ハ\u309a", Field.NAME, "ｶﾞﾊﾟ"),
        ("Ａｂ１（）　", Field.NAME, "AB1() "),
        ("「￥」", Field.EDI, "｢\\｣"),
    ],
)
def test_the_mapping(text: str, field: Field, mapped: str) -> None:
    """Every row of taxi.md §9.3."""
    assert half_width(text, field) == mapped


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("前橋", "name"),
        ("まえばし", "name"),
        ("ｶ)", "bank"),
        ("A,B", "name"),
        ("😀", "name"),
        ("￥", "name"),
        ("\u3099", "name"),
        ("/", "name"),
    ],
)
def test_what_banks_refuse(text: str, field: str) -> None:
    """No character becomes a question mark (ZG-4)."""
    with pytest.raises(ValueError, match="cannot stand"):
        half_width(text, Field(field))


@settings(deadline=None)
@given(st.text(max_size=40), st.sampled_from(list(Field)), st.integers(1, 30))
def test_mapped_text_is_single_bytes_and_fits(text: str, field: Field, width: int) -> None:
    """What passes has one byte a character in cp932, maps to itself, and is cut without a lonely mark."""
    try:
        mapped = half_width(text, field)
    except ValueError:
        return
    assert len(mapped.encode("cp932")) == len(mapped)
    assert half_width(mapped, field) == mapped
    short = fitted(text, field, width, truncate=True)
    assert len(short) <= width
    assert mapped.startswith(short)
    assert mapped[len(short) : len(short) + 1] not in {"ﾞ", "ﾟ"} or len(mapped) == len(short)


def test_a_mark_goes_with_its_base() -> None:
    """ZG-5 at the edge, and not one character earlier."""
    assert [cut("ﾏｴﾊﾞｼ", width) for width in (2, 3, 4, 5)] == ["ﾏｴ", "ﾏｴ", "ﾏｴﾊﾞ", "ﾏｴﾊﾞｼ"]


@pytest.mark.parametrize(
    ("change", "record", "field"),
    [
        ({"payee": "前橋タクシー"}, "payment 2", "payee"),
        ({"payee": "ｱ" * 31}, "payment 2", "payee"),
        ({"amount": 0}, "payment 2", "amount"),
        ({"amount": 10_000_000_000}, "payment 2", "amount"),
        ({"amount": True}, "payment 2", "amount"),
        ({"customer1": "12-3"}, "payment 2", "customer1"),
        ({"account": replace(ACCOUNT, account="12345678")}, "payment 2", "account"),
        ({"account": replace(ACCOUNT, account_type=3)}, "payment 2", "account_type"),
        ({"account": replace(ACCOUNT, branch_name="ﾀﾂﾏﾁ(")}, "payment 2", "branch_name"),
        ({"edi": "ｱ" * 21}, "payment 2", "edi"),
    ],
)
def test_errors_name_record_and_field(change: dict[str, object], record: str, field: str) -> None:
    """A wrong second payment makes no file, and the message says which."""
    with pytest.raises(ZenginError) as caught:
        build(replace(FILE, payments=(PAYMENT, replace(PAYMENT, **change))))
    assert (caught.value.record, caught.value.field) == (record, field)


def test_header_and_sum_are_checked_too() -> None:
    """A day that is none, no payment at all, and a sum of 13 digits."""
    assert build(replace(FILE, payer=replace(PAYER, mmdd="0229")))  # leap years have it
    for wrong, record in (
        (replace(FILE, payer=replace(PAYER, mmdd="0431")), "header"),
        (replace(FILE, payments=()), "trailer"),
        (replace(FILE, payments=(replace(PAYMENT, amount=9_999_999_999),) * 101), "trailer"),
    ):
        with pytest.raises(ZenginError) as caught:
            build(wrong)
        assert caught.value.record == record


accounts = st.builds(
    Account,
    st.sampled_from(["0128", "9900"]),
    st.just("ｸﾞﾝﾏ"),
    st.just("101"),
    st.just("ﾀﾂﾏﾁ"),
    st.sampled_from([1, 2, 9]),
    st.integers(0, 9_999_999).map(lambda number: f"{number:07d}"),
)
payments = st.builds(
    Payment,
    accounts,
    st.text(alphabet="ｱｶﾞ(). A1-", min_size=1, max_size=30).map(str.rstrip),
    st.integers(1, 9_999_999_999),
    st.integers(0, 9_999_999_999).map(lambda number: f"{number:010d}"),
    st.just("0" * 10),
)


@settings(deadline=None)
@given(st.lists(payments, min_size=1, max_size=5), st.sampled_from(["none", "crlf"]))
def test_what_is_built_reads_back(given_payments: list[Payment], ends: str) -> None:
    """ZG-7: the same content, 120 bytes a record."""
    file = TransferFile(
        replace(PAYER, account=replace(ACCOUNT, bank_name="ｸﾞﾝﾏ", branch_name="ﾀﾂﾏﾁ")), tuple(given_payments)
    )
    content = build(file, ends=ends)  # type: ignore[arg-type]
    assert len(content) == (len(given_payments) + 3) * (122 if ends == "crlf" else 120)
    assert parse(content) == file


@settings(deadline=None)
@given(st.integers(0, 5 * 120 - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_is_content(position: int, byte: int) -> None:
    """Whatever one byte becomes, the parser refuses the file or gives content that builds that very file."""
    content = bytearray(build(FILE))
    content[position] = byte
    try:
        found = parse(bytes(content))
    except ZenginError:
        return
    assert build(found) == bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"\n",
        lambda content: b"\n".join(content[i : i + 120] for i in range(0, len(content), 120)),
        lambda content: content[:120] + content[240:],
        lambda content: content[120:240] + content[:120] + content[240:],
        lambda content: content[:360] + b"8" + b"0" * 18 + b" " * 101 + content[480:],
        lambda _content: b"",
    ],
)
def test_files_of_another_form_are_refused(change: object) -> None:
    """Length, LF alone, a missing record, another order, a trailer with other totals, nothing."""
    with pytest.raises(ZenginError):
        parse(change(build(FILE)))  # type: ignore[operator]


def test_the_national_list_fits_the_file() -> None:
    """Full-width names with －, ．, and spaces map to at most 15 bytes; unknown codes are refused (ZG-9)."""
    assert names_of("0128", "101") == ("ｸﾞﾝﾏ", "ﾀﾂﾏﾁ")
    assert names_of("9900", "048")[0] == "ﾕｳﾁﾖ"
    for bank, branch in (("9999", "001"), ("0128", "999")):
        with pytest.raises(ZenginError):
            names_of(bank, branch)


@pytest.mark.parametrize(
    ("nominal", "paid"),
    [
        ("2026-05-02", "2026-05-07"),
        ("2026-05-06", "2026-05-07"),
        ("2026-09-19", "2026-09-24"),
        ("2026-12-31", "2027-01-04"),
        ("2027-01-01", "2027-01-04"),
        ("2026-11-30", "2026-11-30"),
    ],
)
def test_pay_days_roll_forward(nominal: str, paid: str) -> None:
    """ZG-8: substitute and in-between holidays, and the banks' year end."""
    assert pay_day(date.fromisoformat(nominal)) == date.fromisoformat(paid)


def test_traps_of_jpholiday() -> None:
    """The library knows no bank holidays at the year's end, and none on weekends: both are ours to add."""
    assert not jpholiday.is_holiday(date(2026, 12, 31))
    assert not jpholiday.is_holiday(date(2026, 11, 28))
    assert jpholiday.is_holiday(date(2026, 9, 22))
    assert [day for day in (date(2026, 12, 28) + timedelta(days=n) for n in range(8)) if is_business_day(day)] == [
        date(2026, 12, 28),
        date(2026, 12, 29),
        date(2026, 12, 30),
        date(2027, 1, 4),
    ]
    assert not is_business_day(datetime(2026, 5, 6))  # noqa: DTZ001 - a datetime is a date too
