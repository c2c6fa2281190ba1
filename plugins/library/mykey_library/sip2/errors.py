"""The error tree of the SIP2 package.

    Sip2Error
    ├── FramingError             the bytes are no sealed message: not executed, answered with 96
    │   ├── MessageTooLong       no terminator within the limit (.limit)
    │   ├── ChecksumError        AZ does not fit the bytes
    │   ├── DamagedTrailer       half of AY/AZ is there
    │   └── UnsealedMessage      no AY/AZ on a connection that uses them
    ├── MessageError             sealed, but not a message of the table (.message_id)
    │   ├── UnknownMessage
    │   ├── FixedPartTooShort
    │   ├── BadValue             a value in the fixed part is none of its list (.name)
    │   └── MissingField         a required field is missing (.field)
    ├── UnencodableIdentifier    a number has characters that the charset lacks (.field)
    ├── ConfigurationError       a profile or a settings file is wrong; says where
    └── ConnectionFailed         no connection, or no answer
        ├── LoginRefused         the other side answered 940
        └── LineBroken           sent, and then no answer that can be trusted (.message_id)

No error carries a value of a field: they may be numbers, names and passwords.
"""

from __future__ import annotations


class Sip2Error(Exception):
    """Anything that this package reports."""


class FramingError(Sip2Error):
    """The bytes of a message are damaged; the answer is 96 and nothing is executed."""


class MessageTooLong(FramingError):
    """More bytes than `limit` came without a terminator."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a message is longer than {limit} bytes")
        self.limit = limit


class ChecksumError(FramingError):
    """The checksum AZ does not fit the bytes."""


class DamagedTrailer(FramingError):
    """AY without AZ, or AZ without AY: a flipped bit must not switch error detection off."""


class UnsealedMessage(FramingError):
    """A message without AY and AZ where they are used: it may be a piece of another message."""


class MessageError(Sip2Error):
    """A message that does not follow the table of its id."""

    def __init__(self, message_id: str, problem: str) -> None:
        super().__init__(f"message {message_id}: {problem}")
        self.message_id = message_id


class UnknownMessage(MessageError):
    """The two digits are no message of SIP2, or not one that this side receives."""

    def __init__(self, message_id: str) -> None:
        super().__init__(message_id, "not a known message")


class FixedPartTooShort(MessageError):
    """The fixed part ends early."""

    def __init__(self, message_id: str) -> None:
        super().__init__(message_id, "the fixed part is too short")


class BadValue(MessageError):
    """A value in the fixed part is none of its list; `name` is the field's name here."""

    def __init__(self, message_id: str, name: str) -> None:
        super().__init__(message_id, f"{name} has a value that is not in its list")
        self.name = name


class MissingField(MessageError):
    """A required field is missing; `field` is its two letters."""

    def __init__(self, message_id: str, field: str) -> None:
        super().__init__(message_id, f"the field {field} is missing")
        self.field = field


class UnencodableIdentifier(Sip2Error):
    """A number cannot be written in the connection's charset; a replaced character would name somebody else."""

    def __init__(self, field: str) -> None:
        super().__init__(f"the field {field} cannot be written in the charset of this connection")
        self.field = field


class ConfigurationError(Sip2Error):
    """A profile or a settings file is wrong; the message says where and what to write."""


class ConnectionFailed(Sip2Error):
    """The library system was not reached, or went away before anything was sent."""


class LoginRefused(ConnectionFailed):
    """The library system does not accept the login of this terminal."""


class LineBroken(ConnectionFailed):
    """A request was sent and no answer came that can be trusted; whether it was executed is not known."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"no answer to message {message_id} came")
        self.message_id = message_id
