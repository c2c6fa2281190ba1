"""The library when it cannot be opened: every change is refused with the reason, and nobody is known."""

# ruff: noqa: ARG002 - the arguments are those of the protocol

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from mykey_library.circulation import (
    Account,
    CheckoutRequest,
    FeeOutcome,
    HoldOutcome,
    HoldRequest,
    ItemRecord,
    ItemUpdate,
    Listing,
    LoanOutcome,
    Outcome,
    PatronState,
    Reason,
    RenewAllOutcome,
    ReturnOutcome,
    Verdict,
)

_O = TypeVar("_O", bound=Outcome)


def _refused(kind: type[_O]) -> _O:
    return kind(Verdict.NOT_DONE, Reason.SYSTEM_UNREACHABLE)


def _nobody(patron: str) -> PatronState:
    return PatronState(patron, known=False, reasons=(Reason.SYSTEM_UNREACHABLE,))


class ClosedCirculation:
    """A `Circulation` that refuses."""

    def patron_status(self, patron: str, *, pin: str | None = None) -> PatronState:
        """Nobody is known."""
        return _nobody(patron)

    def patron_information(
        self,
        patron: str,
        *,
        pin: str | None = None,
        listing: Listing | None = None,
        start: int = 1,
        end: int = 0,
    ) -> Account:
        """Nobody is known."""
        return Account(_nobody(patron), listing=listing)

    def item_information(self, item: str) -> ItemRecord:
        """Nothing is known."""
        return ItemRecord(item, known=False)

    def checkout(self, request: CheckoutRequest) -> LoanOutcome:
        """Refused."""
        return _refused(LoanOutcome)

    def checkin(
        self, item: str, *, returned_at: datetime | None = None, offline: bool = False, cancel: bool = False
    ) -> ReturnOutcome:
        """Refused."""
        return _refused(ReturnOutcome)

    def renew(self, request: CheckoutRequest) -> LoanOutcome:
        """Refused."""
        return _refused(LoanOutcome)

    def renew_all(self, patron: str, *, pin: str | None = None) -> RenewAllOutcome:
        """Refused."""
        return _refused(RenewAllOutcome)

    def hold(self, request: HoldRequest) -> HoldOutcome:
        """Refused."""
        return _refused(HoldOutcome)

    def fee_paid(
        self, patron: str, amount_yen: int, *, transaction: str = "", fee: str = "", pin: str | None = None
    ) -> FeeOutcome:
        """Refused."""
        return _refused(FeeOutcome)

    def item_status_update(self, item: str, properties: str) -> ItemUpdate:
        """Refused."""
        return _refused(ItemUpdate)

    def block_patron(self, patron: str, *, card_retained: bool, message: str = "") -> PatronState:
        """Refused."""
        return _nobody(patron)

    def enable_patron(self, patron: str, *, pin: str | None = None) -> PatronState:
        """Refused."""
        return _nobody(patron)

    def end_session(self, patron: str) -> bool:
        """There is no session."""
        return True
