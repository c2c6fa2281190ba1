"""What the taxi plugin reports, in one tree; wording for people is looked up by `code`.

TaxiError                 .code
├── PackError             .pack, .place      a rule pack is not valid, or none is in force on a day
├── InputError            .place             a ride, record or payment is not of the documented form
├── ZenginError           .record, .field    a transfer file cannot be built or was refused
├── CycleError            .cycle             a month cannot be closed, or is closed already
├── OfferError            .reason            a ride online or a voucher is refused
└── UploadError           .terminal, .sequence  a record contradicts what is stored
"""

from __future__ import annotations

from mykey_core.api import MykeyError


class TaxiError(MykeyError):
    """Anything that the taxi plugin reports; `code` is stable and the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PackError(TaxiError):
    """A rule pack is not valid, or none is in force; `place` names the member, such as `limits.per_year`."""

    def __init__(self, pack: str, place: str, message: str) -> None:
        super().__init__("taxi.pack_invalid", f"{pack}: {place}: {message}" if place else f"{pack}: {message}")
        self.pack = pack
        self.place = place


class InputError(TaxiError):
    """A ride, record or file is not of the documented form; `place` names the member."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__("taxi.input_invalid", f"{place}: {message}")
        self.place = place


class ZenginError(TaxiError):
    """A transfer file cannot be built, or was refused: `record` is `header`, `payment N` or `trailer`."""

    def __init__(self, record: str, field: str, message: str) -> None:
        super().__init__("taxi.zengin_invalid", f"{record}, {field}: {message}")
        self.record = record
        self.field = field


class CycleError(TaxiError):
    """A month cannot be closed or changed; `cycle` is `YYYY-MM`."""

    def __init__(self, cycle: str, code: str, message: str) -> None:
        super().__init__(code, f"{cycle}: {message}")
        self.cycle = cycle


class OfferError(TaxiError):
    """A ride with a network, or a voucher, is refused; `reason` is worded for the terminal, and nothing was counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"taxi.{reason}", f"{reason}: settle without subsidy, or ask the town's counter")
        self.reason = reason


class UploadError(TaxiError):
    """A record contradicts what is stored of its terminal; nothing of it was settled."""

    def __init__(self, terminal: str, sequence: int, code: str, message: str) -> None:
        super().__init__(code, f"{terminal}, record {sequence}: {message}")
        self.terminal = terminal
        self.sequence = sequence
