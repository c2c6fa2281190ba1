"""The library desk: what happens at a tap and at the actions that follow it."""

from __future__ import annotations

from mykey_core.api import (
    Facts,
    Message,
    Notice,
    Outcome,
    PluginContext,
    PluginDatabase,
    Table,
    TapRequest,
    TapResult,
    Text,
    tokyo_date,
)
from mykey_library.policy import LoanPolicy
from mykey_library.store import CirculationStore, Patron

_NEXT = ("lend", "return")


class Desk:
    """One request at the desk."""

    def __init__(self, context: PluginContext, request: TapRequest, database: PluginDatabase) -> None:
        self._text = context.text
        self._request = request
        self._store = CirculationStore(database)
        self._policy = LoanPolicy.from_settings(context.settings)

    def open(self) -> TapResult:
        """Show the patron's account."""
        patron = self._patron()
        if patron is None:
            return self._refused("not_linked", offers=("link",))
        if not patron.active:
            return self._refused("patron_stopped")
        return self._account(patron, "welcome", opens_visit=True)

    def link(self) -> TapResult:
        """Make the card the patron's library card."""
        number = self._request.input["patron_number"]
        subject = self._subject()
        own = self._store.patron_of(subject)
        if own is not None and own.number == number:
            return self._account(own, "linked", opens_visit=True)
        patron = self._store.patron(number)
        if own is not None:
            return self._refused("linked_to_other_number")
        if patron is None:
            return self._refused("patron_unknown", offers=("link",))
        if self._store.is_linked(number):
            return self._refused("number_taken")
        self._store.add_link(subject, number, self._request.at)
        return self._account(patron, "linked", opens_visit=True)

    def lend(self) -> TapResult:
        """Lend the item with the scanned barcode to the person of the visit."""
        patron = self._patron()
        item = self._store.item(self._request.input["barcode"])
        if patron is None or not patron.active:
            return self._refused("not_linked", offers=("link",))
        if item is None:
            return self._refused("item_unknown", offers=_NEXT)
        borrower = self._store.borrower_of(item.barcode)
        if borrower is not None:
            return self._refused("item_with_you" if borrower == patron.number else "item_out", offers=_NEXT)
        if self._store.count_loans(patron.number) >= self._policy.max_loans:
            return self._refused("too_many", offers=("return",), limit=self._policy.max_loans)
        due_on = self._policy.due_on(self._request.at)
        self._store.lend(item.barcode, patron.number, self._request.at, due_on)
        return self._account(patron, "lent", title=item.title, due=due_on.isoformat())

    def take_back(self) -> TapResult:
        """Take an item back, whoever brings it."""
        item = self._store.item(self._request.input["barcode"])
        if item is None:
            return self._refused("item_unknown", offers=_NEXT)
        if not self._store.take_back(item.barcode):
            return self._refused("item_in_library", offers=_NEXT)
        return TapResult(Outcome.DONE, "library.returned", self._message("returned", title=item.title), offers=_NEXT)

    def _subject(self) -> str:
        if self._request.subject is None:
            raise ValueError("this action is for a person")
        return self._request.subject

    def _patron(self) -> Patron | None:
        return self._store.patron_of(self._subject())

    def _message(self, key: str, **values: str | int) -> Message:
        return Message(
            self._text(f"{key}.title", **values), self._text(f"{key}.text", **values), self._text(f"{key}.what_to_do")
        )

    def _refused(self, code: str, *, offers: tuple[str, ...] = (), **values: str | int) -> TapResult:
        return TapResult(Outcome.REFUSED, f"library.{code}", self._message(code, **values), offers=offers)

    def _account(self, patron: Patron, code: str, *, opens_visit: bool = False, **values: str | int) -> TapResult:
        return TapResult(
            Outcome.DONE,
            f"library.{code}",
            self._message(code, **values),
            view=(self._facts(patron), *self._loans(patron)),
            offers=_NEXT,
            opens_visit=opens_visit,
        )

    def _facts(self, patron: Patron) -> Facts:
        left = self._policy.max_loans - self._store.count_loans(patron.number)
        return Facts(
            ((self._text("label.patron_number"), patron.number), (self._text("label.loans_left"), max(left, 0)))
        )

    def _loans(self, patron: Patron) -> tuple[Table | Notice, ...]:
        loans = self._store.loans_of(patron.number)
        if not loans:
            return (Notice(self._text("loans.none")),)
        today = tokyo_date(self._request.at)
        columns: tuple[Text, ...] = tuple(self._text(f"label.{name}") for name in ("title", "barcode", "due", "state"))
        rows = tuple(
            (
                loan.title,
                loan.barcode,
                loan.due_on.isoformat(),
                self._text("state.overdue" if loan.due_on < today else "state.on_time"),
            )
            for loan in loans
        )
        return (Table(columns, rows, title=self._text("loans.title")),)
