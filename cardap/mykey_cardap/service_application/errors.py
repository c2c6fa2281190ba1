"""Errors of the service application.

    CardError
    └── ServiceError
        ├── ServiceNotOnCardError     no such service (or no service application) on this card
        ├── ServiceNotUsableError     suspended, terminated or not yet activated (.life_cycle)
        ├── NotAuthenticatedError     `authenticate` comes first; nothing was sent
        ├── TransactionRefusedError   the card's own state forbids it; nothing was sent
        │   ├── NoRidesLeftError      (.left, .used)
        │   ├── ValueOutsideLimitsError  (.value, .lower, .upper)
        │   ├── CapExceededError      (.cap)
        │   ├── PeriodError           (.card_period)
        │   └── NothingToRefundError
        ├── OperationReusedError      the operation id stands in the card's log with other content, or too far back
        ├── OutcomeUnknownError       the order was sent and no answer came: tap again and resolve (.order, .counter)
        ├── TransactionMacError       the receipt was not made by the card's transaction key
        └── InvalidServiceDataError   an argument that no card would take; nothing was sent

What the card refuses for another reason is an `ApduError` with its status word. No error carries a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mykey_cardap.errors import CardError

if TYPE_CHECKING:
    from mykey_cardap.service_application.numbers import LifeCycle
    from mykey_cardap.service_application.orders import Order


class ServiceError(CardError):
    """Anything that went wrong with a service on a card."""


class ServiceNotOnCardError(ServiceError):
    """The card does not have this service: it has to be written at the counter. `service` is its number."""

    def __init__(self, service: int) -> None:
        super().__init__(f"the card has no service {service:04X}")
        self.service = service


class ServiceNotUsableError(ServiceError):
    """The service exists, but is suspended, terminated, or was never activated."""

    def __init__(self, life_cycle: LifeCycle) -> None:
        super().__init__(f"the service is {life_cycle.name.lower()}")
        self.life_cycle = life_cycle


class NotAuthenticatedError(ServiceError):
    """This needs a session with one of the service's keys: call `authenticate` first."""


class TransactionRefusedError(ServiceError):
    """The card would refuse this, by what it has just told about itself. Nothing was sent."""


class NoRidesLeftError(TransactionRefusedError):
    """All rides of the period are used."""

    def __init__(self, *, left: int, used: int) -> None:
        super().__init__("no rides are left in this period")
        self.left = left
        self.used = used


class ValueOutsideLimitsError(TransactionRefusedError):
    """The value (yen) would leave its limits."""

    def __init__(self, *, value: int, lower: int, upper: int) -> None:
        super().__init__("the value would leave its limits")
        self.value = value
        self.lower = lower
        self.upper = upper


class CapExceededError(TransactionRefusedError):
    """One ride or debit may not be that large. `cap` in yen."""

    def __init__(self, *, cap: int) -> None:
        super().__init__(f"one transaction may not exceed {cap} yen")
        self.cap = cap


class PeriodError(TransactionRefusedError):
    """The order belongs to a period that the card is not in and does not open by itself."""

    def __init__(self, *, card_period: int) -> None:
        super().__init__(f"the card is in period {card_period}")
        self.card_period = card_period


class NothingToRefundError(TransactionRefusedError):
    """The last transaction is no ride or debit, or smaller than the refund."""

    def __init__(self) -> None:
        super().__init__("the last transaction cannot be refunded like this")


class OperationReusedError(ServiceError):
    """The operation id was used before, for something else or further back than the last transaction."""

    def __init__(self) -> None:
        super().__init__("this operation id has been used; take the next sequence number")


class OutcomeUnknownError(ServiceError):
    """The order was sent and no trustworthy answer came. It counted once or not at all.

    Tap the card again and call `ServiceSession.resolve(order, counter=counter)`. `counter` is the card's TMC before.
    """

    def __init__(self, order: Order, *, counter: int) -> None:
        super().__init__("the card gave no answer; tap it again to learn whether the transaction counted")
        self.order = order
        self.counter = counter


class TransactionMacError(ServiceError):
    """The receipt is not authentic: do not settle it."""


class InvalidServiceDataError(ServiceError, ValueError):
    """A number outside its range, a profile that is too long, …: nothing was sent."""
