"""The card of an invented person with the service application in its free area, ready to have services written.

Its keys come from a published master key and are no secrets. Cards in general: `emulator/cards.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from mykey_cardap.emulator.application import Application
from mykey_cardap.emulator.card import Behaviour
from mykey_cardap.emulator.globalplatform.cards import default_keys, make_open_card
from mykey_cardap.emulator.globalplatform.contents import CardContents, Instance, LoadFile
from mykey_cardap.emulator.globalplatform.runtime import OpenCard
from mykey_cardap.emulator.globalplatform.stored_contents import StoredContents
from mykey_cardap.emulator.memory import Memory
from mykey_cardap.emulator.service_application.card_application import LOAD_FILE, MODULE, ServiceApplication
from mykey_cardap.emulator.service_application.contents import MEMORY_SIZE
from mykey_cardap.emulator.service_application.storage import pages
from mykey_cardap.service_application.key_tree import card_keys, service_key
from mykey_cardap.service_application.numbers import AID, ROOT_SERVICE, SERIAL_SIZE, Role

DEVELOPMENT_MASTER: Final = bytes(range(32))
"""The master key of the reference's vectors (AES-256 00 … 1F), generation 1. Never a secret."""
DEVELOPMENT_GENERATION: Final = 1
_CODE_SIZE: Final = 0x4000
_DOMAIN_AT: Final = pages(MEMORY_SIZE)
_DOMAIN_SIZE: Final = 0x2000
_INVENTED: Final = b"\xf0"


def card_serial(manufacture_serial: str) -> bytes:
    """The 7-byte serial of an emulated card: F0 and a digest, so that it says nothing about the person."""
    return _INVENTED + hashlib.sha256(manufacture_serial.encode()).digest()[: SERIAL_SIZE - 1]


def blank_memory() -> Memory:
    """Memory for the application of one card and, behind it, the issuer domain's keys and registry; all blank."""
    return Memory(_DOMAIN_AT + StoredContents.space(_DOMAIN_SIZE))


def with_service_application(
    built_in: Iterable[Application],
    *,
    serial: bytes,
    issuer: int,
    memory: Memory,
    objects: Mapping[int, bytes],
    behaviour: Behaviour,
) -> OpenCard:
    """A card without power: `built_in` applications, an issuer security domain, and the service application.

    The domain has the published test keys; what it has and the application are in `memory`, made there if that is
    blank: what PUT KEY, INSTALL and DELETE change outlives the program with it. `issuer` is the six-digit code of
    the municipality; `objects` are what GET DATA of the domain answers on a new card.
    """
    application = ServiceApplication(memory)
    stored = StoredContents(memory, offset=_DOMAIN_AT, size=_DOMAIN_SIZE)
    if not any(memory.read(_DOMAIN_AT, len(memory) - _DOMAIN_AT)):
        instance = Instance(AID, LOAD_FILE, MODULE, parameters=serial + issuer.to_bytes(3, "big"))
        application.factory(instance, fresh=True)
        application.personalize(_admin_key(serial, issuer))
        stored.format(_delivered(instance, objects))  # last, so that a making that was cut begins anew
    factories = {MODULE: application.factory}
    return make_open_card(stored, factories=factories, built_in=built_in, behaviour=behaviour)


def _delivered(instance: Instance, objects: Mapping[int, bytes]) -> CardContents:
    return CardContents(
        keys=(default_keys(),),
        load_files=(LoadFile(LOAD_FILE, (MODULE,), _CODE_SIZE),),
        instances=(instance,),
        objects=dict(objects),
    )


def _admin_key(serial: bytes, issuer: int) -> bytes:
    """The block that INSTALL [for personalization] would bring."""
    key = service_key(
        DEVELOPMENT_MASTER,
        issuer=issuer,
        service=ROOT_SERVICE,
        role=Role.ADMIN,
        generation=DEVELOPMENT_GENERATION,
        serial=serial,
    )
    keys = card_keys(key)
    return bytes((DEVELOPMENT_GENERATION,)) + keys.enc + keys.mac + keys.dek + b"".join(keys.check_values())
