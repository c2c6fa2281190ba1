"""A guess at the next-generation card (次期個人番号カード): P-384 keys, two applications, two PINs.

Public are only the algorithm, the numbers of applications and PINs, and the certificate life (§16 of the card
reference). The AIDs, files and commands here are INVENTED, so that nothing else assumes RSA or today's card.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from mykey_cardap.apdu import SHORT_MAX_DATA, SW, CommandApdu, Ins
from mykey_cardap.emulator.application import Application, Commands, Options, file_table
from mykey_cardap.emulator.aps import jpki as jpki_ap
from mykey_cardap.emulator.aps.references import (
    NUMBER_A,
    NUMBER_B,
    REFERENCE_TRIES,
    number_a,
    number_b,
)
from mykey_cardap.emulator.commands import STANDARD, WITH_CHANGE
from mykey_cardap.emulator.commands.keys import named_key
from mykey_cardap.emulator.contents.face import face_files
from mykey_cardap.emulator.contents.keys import card_keys
from mykey_cardap.emulator.contents.text import text_files
from mykey_cardap.emulator.files import PinEf, TransparentEf, opened_by
from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.emulator.personas import Persona
from mykey_cardap.emulator.status import Refused

# F0 is a proprietary, unregistered AID (ISO/IEC 7816-4); "MYKEYN" in ASCII.
AUTHENTICATION_AID: Final = bytes.fromhex("F04D594B45594E01")
FACE_AID: Final = bytes.fromhex("F04D594B45594E02")

_SHA384: Final = hashes.SHA384()
_OF_HASH: Final = ec.ECDSA(utils.Prehashed(_SHA384))
_OF_MESSAGE: Final = ec.ECDSA(_SHA384)
_HASH_SIZE: Final = 48

EcScheme = Callable[[ec.EllipticCurvePrivateKey, bytes], bytes]


def ecdsa_of_hash(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """Scheme 00: a SHA-384 value of 48 bytes; r ‖ s of 48 bytes each."""
    if len(data) != _HASH_SIZE:
        raise Refused(SW.CONDITIONS_OF_USE)
    return _raw(key.sign(data, _OF_HASH))


def ecdsa_of_message(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """Scheme 03: the card hashes 1 to 255 bytes."""
    if not 1 <= len(data) <= SHORT_MAX_DATA:
        raise Refused(SW.WRONG_LENGTH)
    return _raw(key.sign(data, _OF_MESSAGE))


_SCHEMES: Final[Mapping[int, EcScheme]] = {0x00: ecdsa_of_hash, 0x03: ecdsa_of_message}


def sign(application: Application, command: CommandApdu) -> bytes:
    """`80 2A scheme key`, as on today's card, with the two schemes above."""
    scheme = _SCHEMES.get(command.p1)
    if scheme is None:
        raise Refused(SW.WRONG_P1_P2)
    file = named_key(application, command.p2)
    application.require(file.access)
    key = file.load()
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Refused(SW.CONDITIONS_OF_USE)
    return scheme(key, command.data)


_COMMANDS: Final[Commands] = {**WITH_CHANGE, (0x80, Ins.PERFORM_SECURITY_OPERATION): sign}


def authentication_application(persona: Persona, jpki: EmulatedJpki, options: Options) -> Application:
    """認証AP: everything behind a PIN, with the files of today's JPKI application."""
    return Application(
        name="authentication",
        aid=AUTHENTICATION_AID,
        files=file_table(*jpki_ap.files(persona, jpki)),
        commands=_COMMANDS,
        options=options,
    )


def face_application(persona: Persona, jpki: EmulatedJpki, options: Options) -> Application:  # noqa: ARG001
    """券面等AP: everything behind a 照合番号; text files as 0001 and 0002, the card face as 0003."""
    holder = persona.holder
    keys = card_keys(holder.manufacture_serial)
    text, face = text_files(holder, keys), face_files(holder, keys)
    return Application(
        name="face",
        aid=FACE_AID,
        files=file_table(
            TransparentEf(0x0001, text[0x0001], opened_by(NUMBER_A)),
            TransparentEf(0x0002, text[0x0002], opened_by(NUMBER_A, NUMBER_B)),
            TransparentEf(0x0003, face[0x0002], opened_by(NUMBER_A, NUMBER_B)),
            PinEf(0x0012, number_b(holder, REFERENCE_TRIES)),
            PinEf(0x0013, number_a(holder, REFERENCE_TRIES)),
        ),
        commands=STANDARD,
        options=options,
    )


def _raw(signature: bytes) -> bytes:
    r, s = utils.decode_dss_signature(signature)
    return r.to_bytes(_HASH_SIZE, "big") + s.to_bytes(_HASH_SIZE, "big")
