"""The policy matrix as it is stored: categories of patrons against kinds of items."""

from __future__ import annotations

from mykey_library.rows import Rows
from mykey_library.rules import Terms
from mykey_library.tables import policy


def read_matrix(rows: Rows) -> dict[tuple[str, str], Terms]:
    """Every cell that is written down."""
    return {
        (row.category, row.kind): Terms(row.loan_days, row.max_loans, row.max_renewals, row.max_holds)
        for row in rows.all(rows.select(policy))
    }


def write_cell(rows: Rows, category: str, kind: str, terms: Terms) -> None:
    """Write a cell, or change it; `*` stands for all."""
    values = {
        "loan_days": terms.loan_days,
        "max_loans": terms.max_loans,
        "max_renewals": terms.max_renewals,
        "max_holds": terms.max_holds,
    }
    if not rows.change(policy, values, category=category, kind=kind):
        rows.add(policy, category=category, kind=kind, **values)
