"""What a service point shows of a patron's account: messages and blocks, in texts of the plugin's catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from mykey_core.api import Facts, Message, Notice, Table, Text, tokyo_date
from mykey_library.circulation import Account, Circulation, Entry, Listing, Reason

Block = Facts | Table | Notice
Words = Callable[..., Text]


class Views:
    """Blocks for one answer. `text` is the plugin's catalogue, `today` the date in Japan, `branches` their names."""

    def __init__(self, text: Words, library: Circulation, today: date, branches: Mapping[str, str]) -> None:
        self._text = text
        self._library = library
        self._today = today
        self._branches = branches

    def message(self, code: str, **values: str | int) -> Message:
        """The three parts of a message of the desk."""
        parts = [self._text(f"{code}.{part}", **values) for part in ("title", "text", "what_to_do")]
        return Message(*parts)

    def reason(self, reason: Reason) -> Message:
        """Why something was not done: the sentence that SIP2 shows too, what it means, and what to do."""
        key = f"reason.{reason.value}"
        return Message(self._text(key), self._text(f"{key}.text"), self._text(f"{key}.what_to_do"))

    def words(self, words: str) -> tuple[Block, ...]:
        """A library system's own words, as they are."""
        return (Facts(((self._text("label.system_says"), words),)),) if words else ()

    def way(self, branch: str) -> tuple[Block, ...]:
        """Where a returned item has to go, by the branch's name."""
        name = self._branches.get(branch, branch)
        return (Notice(self._text("way.send", branch=name), "warning"),) if branch else ()

    def account(self, number: str) -> tuple[Block, ...]:
        """Number and loans first, then what waits, and warnings."""
        charged = self._library.patron_information(number, listing=Listing.CHARGED)
        return (self._facts(charged), self._loans(charged.entries), *self._holds(number, charged), *self._why(charged))

    def _facts(self, account: Account) -> Facts:
        left = (account.charged_limit or 0) - account.counts.charged
        rows: list[tuple[Text, str | int]] = [(self._text("label.patron_number"), account.state.patron)]
        if account.charged_limit is not None:
            rows.append((self._text("label.loans_left"), max(left, 0)))
        if account.state.fee_yen:
            rows.append((self._text("label.debt"), account.state.fee_yen))
        return Facts(tuple(rows))

    def _loans(self, entries: Sequence[Entry]) -> Table | Notice:
        if not entries:
            return Notice(self._text("loans.none"))
        columns = self._columns("title", "barcode", "due", "state")
        rows = tuple(self._loan(self._complete(entry)) for entry in entries)
        return Table(columns, rows, title=self._text("loans.title"))

    def _complete(self, entry: Entry) -> Entry:
        """The entry with title and due date; many systems over SIP2 list ids only."""
        if entry.title and entry.due_at:
            return entry
        record = self._library.item_information(entry.item)
        return replace(entry, title=entry.title or record.title, due_at=entry.due_at or record.due_at)

    def _loan(self, entry: Entry) -> tuple[str | Text, ...]:
        due = tokyo_date(entry.due_at) if entry.due_at else None
        late = due is not None and due < self._today
        state = self._text("state.overdue" if late else "state.on_time")
        return entry.title, entry.item, due.isoformat() if due else "", state

    def _holds(self, number: str, account: Account) -> tuple[Table, ...]:
        counts = account.counts
        if not counts.holds + counts.unavailable_holds:
            return ()
        waiting = self._library.patron_information(number, listing=Listing.HOLDS).entries
        queued = self._library.patron_information(number, listing=Listing.UNAVAILABLE_HOLDS).entries
        rows = [(entry.title, entry.item, self._until(entry)) for entry in waiting]
        rows += [(entry.title, "", self._text("hold.queued")) for entry in queued]
        return (Table(self._columns("title", "barcode", "state"), tuple(rows), title=self._text("holds.title")),)

    def _until(self, entry: Entry) -> Text:
        day = tokyo_date(entry.due_at).isoformat() if entry.due_at else ""
        return self._text("hold.waiting", day=day)

    def _why(self, account: Account) -> tuple[Notice, ...]:
        return tuple(Notice(self._text(f"reason.{reason.value}"), "warning") for reason in account.state.reasons)

    def _columns(self, *names: str) -> tuple[Text, ...]:
        return tuple(self._text(f"label.{name}") for name in names)

    def family(self, numbers: Sequence[str]) -> tuple[Block, ...]:
        """The patron numbers for which the person may borrow, with what each has out."""
        if not numbers:
            return (Notice(self._text("family.none")),)
        rows = tuple((number, self._library.patron_information(number).counts.charged) for number in numbers)
        return (Table(self._columns("patron_number", "loans"), rows, title=self._text("family.list")),)
