"""What each message of a self-check machine does in the library: from messages to `Circulation` and back.

Framing, repeats and logins have happened before; how the answers look stands in `answers`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import singledispatchmethod

from mykey_library.circulation import (
    CheckoutRequest,
    Circulation,
    CirculationUnavailable,
    FeeOutcome,
    HoldMode,
    HoldOutcome,
    HoldRequest,
    HoldScope,
    Listing,
    LoanOutcome,
    OpenCirculation,
    Place,
    Reason,
    Verdict,
)
from mykey_library.sip2 import requests, responses
from mykey_library.sip2.answers import Answers, Wording
from mykey_library.sip2.charset import lookup_key
from mykey_library.sip2.closed import ClosedCirculation
from mykey_library.sip2.session import Memory
from mykey_library.sip2.settings import Account, ServerSettings
from mykey_library.sip2.table import Message
from mykey_library.sip2.values import Language, SipDate

_LANGUAGES = {Language.JAPANESE.value: "ja", Language.ENGLISH.value: "en"}
_LISTINGS = tuple(Listing)
_MAX_ENTRIES = 999
UNKNOWN_NUMBER = ""  # never the number of a patron or an item


class Service:
    """Carries messages out. `open_circulation` gives the library for one request and commits it."""

    def __init__(
        self,
        open_circulation: OpenCirculation,
        settings: ServerSettings,
        *,
        clock: Callable[[], datetime],
        wording: Wording,
    ) -> None:
        self._open = open_circulation
        self._settings = settings
        self._clock = clock
        self._wording = wording

    def __call__(self, message: Message, account: Account, memory: Memory) -> Message:
        """Carry `message` out, commit, and answer.

        When the library cannot be opened the answer is a refusal. Any other fault raises: whether something was
        committed is then not known, so the connection must end without an answer.
        """
        if isinstance(message, requests.ScStatus):
            return self.status(account)
        language = _language(message, account, memory)
        place = Place(_terminal(account, memory), account.branch or memory.location, language)
        answers = Answers(self._settings, account, self._clock(), language, self._wording)
        with ExitStack() as stack:
            try:
                circulation = stack.enter_context(self._open(place))
            except CirculationUnavailable:
                circulation = ClosedCirculation()
            return _Handler(circulation, answers).handle(message)

    def status(self, account: Account | None = None) -> responses.AcsStatus:
        """98: what this server can do. All sixteen messages are supported."""
        settings = self._settings
        return responses.AcsStatus(
            online=True,
            checkin_ok=True,
            checkout_ok=True,
            renewal_policy=True,
            status_update_ok=True,
            offline_ok=True,
            timeout=timedelta(seconds=settings.reply_seconds),
            retries=settings.retries,
            at=SipDate.of(self._clock()),
            institution=settings.institution,
            supported="Y" * 16,
            library=settings.library or None,
            location=(account.branch or None) if account else None,
        )


def _terminal(account: Account, memory: Memory) -> str:
    return f"{account.user}@{memory.location}" if memory.location else account.user


def _language(message: Message, account: Account, memory: Memory) -> str:
    """The language of the request, else that of the same patron's last request, else the machine's."""
    patron = getattr(message, "patron", "")
    if isinstance(message, requests.PatronStatus | requests.PatronInformation):
        memory.patron, memory.language = patron, _LANGUAGES.get(message.language, "")
    if isinstance(message, requests.EndPatronSession):
        known, memory.patron, memory.language = memory.language, "", ""
        return known or account.language
    return (memory.language if patron == memory.patron else "") or account.language


def _pin(password: str | None) -> str | None:
    """AD; machines send it empty when they asked for none."""
    return password or None


def _number(text: str | None) -> str:
    return (lookup_key(text) if text else None) or UNKNOWN_NUMBER


def _yen(amount: str) -> int | None:
    """BV as whole yen; None when it is no amount, or has a fraction."""
    try:
        value = Decimal(amount.strip())
    except InvalidOperation:
        return None
    whole = value.is_finite() and value == value.to_integral_value() and 0 < value < Decimal(10) ** 9
    return int(value) if whole else None


def _window(start: str | None, end: str | None) -> tuple[int, int]:
    """BP and BQ, from 1, both included; senseless ones are the whole list."""
    first = int(start) if start and start.isascii() and start.isdigit() else 1
    last = int(end) if end and end.isascii() and end.isdigit() else 0
    return max(1, min(first, _MAX_ENTRIES)), min(last, _MAX_ENTRIES)


def _listing(summary: str) -> Listing | None:
    """The first list that the summary asks for."""
    position = summary.find("Y")
    return _LISTINGS[position] if 0 <= position < len(_LISTINGS) else None


class _Handler:
    """One message at a time; the methods are chosen by the message's class."""

    def __init__(self, circulation: Circulation, answers: Answers) -> None:
        self._circulation = circulation
        self._answers = answers

    @singledispatchmethod
    def handle(self, message: Message) -> Message:
        raise NotImplementedError(message.message_id)

    @handle.register
    def _(self, message: requests.PatronStatus) -> Message:
        state = self._circulation.patron_status(_number(message.patron), pin=_pin(message.patron_password))
        return self._answers.patron_status(message.patron, state, message.language)

    @handle.register
    def _(self, message: requests.PatronInformation) -> Message:
        start, end = _window(message.start_item, message.end_item)
        account = self._circulation.patron_information(
            _number(message.patron),
            pin=_pin(message.patron_password),
            listing=_listing(message.summary),
            start=start,
            end=end,
        )
        return self._answers.patron_information(message.patron, account)

    @handle.register
    def _(self, message: requests.Checkout) -> Message:
        outcome = self._circulation.checkout(
            CheckoutRequest(
                patron=_number(message.patron),
                item=_number(message.item),
                pin=_pin(message.patron_password),
                renewal_allowed=message.renewal_policy,
                offline=message.no_block,
                at=message.at.instant if message.no_block else None,
                due_at=message.nb_due.instant if message.no_block else None,
                fee_acknowledged=message.fee_acknowledged == "Y",
                cancel=message.cancel == "Y",
            )
        )
        return self._answers.checkout(message, outcome)

    @handle.register
    def _(self, message: requests.Checkin) -> Message:
        outcome = self._circulation.checkin(
            _number(message.item),
            returned_at=message.returned_at.instant if message.no_block else None,
            offline=message.no_block,
            cancel=message.cancel == "Y",
        )
        return self._answers.checkin(message, outcome)

    @handle.register
    def _(self, message: requests.Renew) -> Message:
        if not message.item:  # by title: which copy is meant cannot be known for certain
            outcome = LoanOutcome(Verdict.NOT_DONE, Reason.ITEM_UNKNOWN)
        else:
            outcome = self._circulation.renew(
                CheckoutRequest(
                    patron=_number(message.patron),
                    item=_number(message.item),
                    pin=_pin(message.patron_password),
                    offline=message.no_block,
                    at=message.at.instant if message.no_block else None,
                    due_at=message.nb_due.instant if message.no_block else None,
                    fee_acknowledged=message.fee_acknowledged == "Y",
                )
            )
        return self._answers.renew(message, outcome)

    @handle.register
    def _(self, message: requests.RenewAll) -> Message:
        return self._answers.renew_all(
            self._circulation.renew_all(_number(message.patron), pin=_pin(message.patron_password))
        )

    @handle.register
    def _(self, message: requests.ItemInformation) -> Message:
        return self._answers.item(message.item, self._circulation.item_information(_number(message.item)))

    @handle.register
    def _(self, message: requests.Hold) -> Message:
        if message.mode not in {mode.value for mode in HoldMode}:
            return self._answers.hold(message, HoldOutcome(Verdict.NOT_DONE, Reason.UNSUPPORTED))
        scopes = {scope.value: scope for scope in HoldScope}
        outcome = self._circulation.hold(
            HoldRequest(
                mode=HoldMode(message.mode),
                patron=_number(message.patron),
                item=_number(message.item),
                title=message.title or "",
                pin=_pin(message.patron_password),
                pickup=message.pickup_location or "",
                scope=scopes.get(message.hold_type or "", HoldScope.ANY_COPY),
                expires_at=SipDate(message.expires).instant if message.expires else None,
            )
        )
        return self._answers.hold(message, outcome)

    @handle.register
    def _(self, message: requests.EndPatronSession) -> Message:
        ended = self._circulation.end_session(_number(message.patron))
        return self._answers.session_end(message, ended=ended)

    @handle.register
    def _(self, message: requests.FeePaid) -> Message:
        amount = _yen(message.amount)
        if message.currency != self._answers.settings.currency or amount is None:
            return self._answers.fee(message, FeeOutcome(Verdict.NOT_DONE, Reason.AMOUNT_WRONG))
        outcome = self._circulation.fee_paid(
            _number(message.patron),
            amount,
            transaction=_number(message.transaction),
            fee=_number(message.fee),
            pin=_pin(message.patron_password),
        )
        return self._answers.fee(message, outcome)

    @handle.register
    def _(self, message: requests.BlockPatron) -> Message:
        state = self._circulation.block_patron(
            _number(message.patron), card_retained=message.card_retained, message=message.blocked_message
        )
        return self._answers.patron_status(message.patron, state, None)

    @handle.register
    def _(self, message: requests.ItemStatusUpdate) -> Message:
        outcome = self._circulation.item_status_update(_number(message.item), message.item_properties)
        return self._answers.item_update(message, outcome)

    @handle.register
    def _(self, message: requests.PatronEnable) -> Message:
        state = self._circulation.enable_patron(_number(message.patron), pin=_pin(message.patron_password))
        return self._answers.patron_enable(message.patron, state)
