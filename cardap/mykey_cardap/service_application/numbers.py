"""The numbers of the service application: names, files, keys, instructions, states (the reference's chapter 6).

No layout is encoded or decoded here, so that the reader's code and the emulated card's code judge each other.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag, unique
from typing import Final

AID: Final = bytes.fromhex("F04D594B45590001")
"""F0 ‖ "MYKEY" ‖ 0001: proprietary and unregistered; a registered identifier is needed before use in the field."""

SCHEMA_VERSION: Final = 1
ROOT_SERVICE: Final = 0x0000
MAX_SERVICE: Final = 0xFFFE
SERIAL_SIZE: Final = 7
OPERATION_ID_SIZE: Final = 12
LOG_RECORDS: Final = 10
LOG_RECORD_SIZE: Final = 32
ORDER_SIZE: Final = 27
RECEIPT_SIZE: Final = 22
STATE_SIZE: Final = 85
PARAMETERS_SIZE: Final = 21
MAX_PROFILE: Final = 224
MAX_LABEL: Final = 16
TRANSACTION_MAC_SIZE: Final = 8
KEY_SIZE: Final = 16
ANY_PERIOD: Final = 0xFFFF
UNLIMITED: Final = 0xFFFFFFFF
FULL_SECURITY: Final = 0x33
"""The only security level of SCP03 that the application accepts: both directions encrypted and authenticated."""


@unique
class FileId(IntEnum):
    """Elementary files of a service. The low five bits are the short identifier."""

    PROFILE = 0x01
    VALUE = 0x02
    RIDES = 0x03
    LOG = 0x04
    TRANSACTION_MAC = 0x05


@unique
class RootFile(IntEnum):
    """Elementary files of the application itself, free for everybody."""

    META = 0x0001
    DIR = 0x2F00


DIR_SHORT: Final = 0x1E
"""Short identifier of EF.DIR (ISO/IEC 7816-4: 30)."""


@unique
class Role(IntEnum):
    """Keys of a service: what each of them is for."""

    ADMIN = 0
    READ = 1
    DEBIT = 2
    CREDIT = 3
    TRANSACTION_MAC = 4
    """Makes transaction MACs in the card; opens no session and never leaves the back office."""


KEY_VERSION: Final = 0x30
"""Key version of the current key set of role n: 30 + n."""
PREVIOUS_KEY_VERSION: Final = 0x38
"""Key version of the set that it replaced, usable until the generation floor passes it: 38 + n."""


@unique
class ServiceIns(IntEnum):
    """Instructions; ISO commands have class 00 (04 in a session), the others 80 (84)."""

    DEACTIVATE = 0x04
    ACTIVATE = 0x44
    SELECT = 0xA4
    READ_BINARY = 0xB0
    READ_RECORD = 0xB2
    COMMIT = 0xC8
    GET_DATA = 0xCA
    UPDATE_BINARY = 0xD6
    PUT_KEY = 0xD8
    PUT_DATA = 0xDA
    CREATE = 0xE0
    DELETE = 0xE4
    TERMINATE = 0xE6


@unique
class DataObject(IntEnum):
    """P1 P2 of GET DATA and PUT DATA."""

    STATE = 0xDF01
    PARAMETERS = 0xDF02
    GENERATION_FLOOR = 0xDF03
    ACCESS = 0xDF04


@unique
class LifeCycle(IntEnum):
    """Life cycle of a service (ISO/IEC 7816-4, tag 8A)."""

    INITIALISATION = 0x03
    DEACTIVATED = 0x04
    ACTIVATED = 0x05
    TERMINATED = 0x0C


@unique
class Kind(IntEnum):
    """What a COMMIT does."""

    RIDE = 1
    DEBIT = 2
    CREDIT = 3
    REFUND = 4
    GRANT = 5


@unique
class AccessRule(IntEnum):
    """Order of the access nibbles: which key (0 to 3) may do it, E: everybody may read, F: nobody."""

    PROFILE_READ = 0
    PROFILE_WRITE = 1
    VALUE_READ = 2
    VALUE_DEBIT = 3
    VALUE_CREDIT = 4
    RIDES_READ = 5
    RIDES_DEBIT = 6
    RIDES_CREDIT = 7
    LOG_READ = 8
    CHANGE_ACCESS = 9


FREE: Final = 0xE
NEVER: Final = 0xF


class Flag(IntFlag):
    """Options of a service."""

    RIDE_DEBITS_VALUE = 0x01
    """A ride takes its subsidy from the value, too."""


NO_FLAGS: Final = Flag(0)


class Progress(IntFlag):
    """What has been personalised (EF.META); ACTIVATE needs all of it."""

    ADMIN_KEY = 0x01
    READ_KEY = 0x02
    DEBIT_KEY = 0x04
    CREDIT_KEY = 0x08
    TRANSACTION_KEY = 0x10
    PROFILE = 0x20


COMPLETE: Final = (
    Progress.ADMIN_KEY
    | Progress.READ_KEY
    | Progress.DEBIT_KEY
    | Progress.CREDIT_KEY
    | Progress.TRANSACTION_KEY
    | Progress.PROFILE
)
