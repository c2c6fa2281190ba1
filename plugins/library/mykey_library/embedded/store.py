"""The embedded store as a library system: it is `circulation.Circulation`, with every act within one transaction.

Lending stands in `lending`, holds in `holding`; here are the questions, and what is neither.
"""

from __future__ import annotations

from mykey_library import rules
from mykey_library.calendar import end_of_day
from mykey_library.circulation import (
    Account,
    FeeOutcome,
    ItemRecord,
    ItemState,
    ItemUpdate,
    Listing,
    PatronState,
    Reason,
    Verdict,
)
from mykey_library.embedded import accounts
from mykey_library.embedded.ground import MEDIA
from mykey_library.embedded.holding import Holding
from mykey_library.embedded.lending import Lending


class EmbeddedCirculation(Lending, Holding):
    """The circulation of one library at one instant, asked from one place."""

    def patron_status(self, patron: str, *, pin: str | None = None) -> PatronState:
        """How the patron stands."""
        known = self.register.patron(patron)
        return PatronState(patron, known=False) if known is None else accounts.state_of(self, known, pin)

    def patron_information(
        self, patron: str, *, pin: str | None = None, listing: Listing | None = None, start: int = 1, end: int = 0
    ) -> Account:
        """The account with one list."""
        known = self.register.patron(patron)
        if known is None:
            return Account(PatronState(patron, known=False))
        return accounts.account_of(self, known, pin, listing, (start, end))

    def item_information(self, item: str) -> ItemRecord:
        """Where the item is."""
        copy = self.collection.copy(item)
        if copy is None:
            return ItemRecord(item, known=False)
        loan = self.loans.of_item(item)
        return ItemRecord(
            item,
            known=True,
            state=ItemState.CHARGED if loan else copy.state,
            title=copy.title,
            due_at=end_of_day(loan.due_on) if loan else None,
            hold_queue=len(self.holds.queue(copy.title_id)),
            home_branch=copy.branch,
            current_branch=copy.branch,
            properties=copy.properties,
            media=MEDIA.get(copy.kind, "000"),
            call_number=copy.call_number,
        )

    # -- the rest ----------------------------------------------------------------------------------------

    def fee_paid(
        self, patron: str, amount_yen: int, *, transaction: str = "", fee: str = "", pin: str | None = None
    ) -> FeeOutcome:
        """Record a payment of compensation, once for a transaction."""
        del fee  # whole charges are paid, the oldest first
        known = self.register.lock(patron)
        if known is None:
            return FeeOutcome(Verdict.NOT_DONE, Reason.PATRON_UNKNOWN, transaction=transaction)
        if known.pin_ok(pin) is False:
            return FeeOutcome(Verdict.NOT_DONE, Reason.PIN_WRONG, transaction=transaction)
        reason = self.register.pay(patron, amount_yen, transaction, self.at, self.today)
        return FeeOutcome(Verdict.NOT_DONE if reason else Verdict.DONE, reason, transaction=transaction)

    def item_status_update(self, item: str, properties: str) -> ItemUpdate:
        """Keep the terminal's note about the item."""
        copy = self.collection.copy(item)
        if copy is None:
            return ItemUpdate(Verdict.NOT_DONE, Reason.ITEM_UNKNOWN)
        self.collection.set_properties(item, properties)
        return ItemUpdate(Verdict.DONE, title=copy.title, properties=properties[:255])

    def block_patron(self, patron: str, *, card_retained: bool, message: str = "") -> PatronState:
        """Stop lending to this patron until `enable_patron`; a block by the staff stays theirs."""
        del card_retained, message  # the embedded store keeps no remarks about people
        known = self.register.lock(patron)
        if known is not None and known.active:
            self.register.set_standing(patron, rules.PatronStanding.BLOCKED)
        return self.patron_status(patron)

    def enable_patron(self, patron: str, *, pin: str | None = None) -> PatronState:
        """Take back a block that a terminal set."""
        known = self.register.lock(patron)
        if known is not None and known.standing is rules.PatronStanding.BLOCKED and known.pin_ok(pin) is not False:
            self.register.set_standing(patron, rules.PatronStanding.ACTIVE)
        return self.patron_status(patron, pin=pin)

    def end_session(self, patron: str) -> bool:  # noqa: ARG002 - the store keeps no session, so nothing is left open
        """The patron has left the terminal."""
        return True
