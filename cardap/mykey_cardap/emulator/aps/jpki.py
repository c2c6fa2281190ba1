"""The JPKI application (公的個人認証AP): two certificates, two keys, two PINs (§3 of the card reference).

Also the token information file of 160 bytes, whose label tells cards and phones apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator.application import Application, Commands, Options, file_table
from mykey_cardap.emulator.commands import WITH_CHANGE
from mykey_cardap.emulator.commands.keys import refuse_security_status
from mykey_cardap.emulator.files import (
    FREE,
    NEVER,
    SIGNATURE_PASSWORD,
    ElementaryFile,
    KeyEf,
    Pin,
    PinEf,
    TransparentEf,
    opened_by,
)
from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.emulator.jpki.authority import persona_key
from mykey_cardap.emulator.personas import CardType, Issuer, Persona
from mykey_cardap.kinds import CertificateKind

AID: Final = bytes.fromhex("D392F000260100000001")
AUTHENTICATION_TRIES: Final = 3
SIGNATURE_TRIES: Final = 5

# 80 AE (SET SESSION KEY) gives 6982 here, 66F1 in other applications (§19).
_COMMANDS: Final[Commands] = {**WITH_CHANGE, (0x80, 0xAE): refuse_security_status}
# Files that exist and whose purpose nobody has published; no cardholder opens them.
_UNKNOWN_FILES: Final = (0x0005, 0x0009, 0x0010, 0x0016, 0x0019, 0x001C, 0x001E)
_UNKNOWN_CONTENT: Final = b"\xff" * 16

_LABELS: Final = {
    CardType.MY_NUMBER: "JPKIAPICCTOKEN2",
    CardType.JUKI: "JPKIAPICCTOKEN",
    CardType.ANDROID: "JPKIAPGPSETOKEN",
    CardType.IOS: "JPKIAPIOSTOKEN",
    CardType.NEXT_GENERATION: "MYKEYEMUP384TOKEN",  # invented, as the whole card
}


def application(
    persona: Persona,
    jpki: EmulatedJpki,
    options: Options,
    *,
    data_objects: Mapping[int, bytes] | None = None,
) -> Application:
    """The JPKI application of a persona's card. `data_objects` are what GET DATA answers while it is selected."""
    return Application(
        name="jpki",
        aid=AID,
        files=file_table(*files(persona, jpki)),
        commands=_COMMANDS,
        data_objects=data_objects or {},
        options=options,
    )


def files(persona: Persona, jpki: EmulatedJpki) -> list[ElementaryFile]:
    """All elementary files; a card without signature certificate has an empty 0001 and a blocked 001B."""
    authentication, signature = CertificateKind.AUTHENTICATION, CertificateKind.SIGNATURE
    reading = opened_by("authentication") if persona.card.is_phone else FREE
    return [
        TransparentEf(0x0001, _certificate(persona, jpki, signature), opened_by("signature")),
        TransparentEf(0x0002, _ca_certificate(persona, jpki, signature)),
        TransparentEf(0x0006, token_information(persona)),
        TransparentEf(0x0008, availability(persona)),
        TransparentEf(0x000A, _certificate(persona, jpki, authentication), reading),
        TransparentEf(0x000B, _ca_certificate(persona, jpki, authentication)),
        KeyEf(0x0017, partial(persona_key, persona, authentication), opened_by("authentication")),
        PinEf(0x0018, authentication_pin(persona)),
        KeyEf(0x001A, partial(persona_key, persona, signature), opened_by("signature")),
        PinEf(0x001B, signature_pin(persona)),
        *(TransparentEf(fid, _UNKNOWN_CONTENT, NEVER) for fid in _UNKNOWN_FILES),
    ]


def authentication_pin(persona: Persona) -> Pin:
    """The four-digit PIN; blocked from the start on a card that uses no PIN."""
    return Pin(
        name="authentication",
        value=persona.auth_pin.encode() if persona.uses_pins else None,
        tries=AUTHENTICATION_TRIES,
        remaining=AUTHENTICATION_TRIES if persona.uses_pins else 0,
    )


def signature_pin(persona: Persona) -> Pin:
    """The signature password; blocked from the start where there is no signature certificate."""
    usable = persona.has_signature_certificate
    return Pin(
        name="signature",
        value=persona.sign_pin.encode() if usable else None,
        tries=SIGNATURE_TRIES,
        remaining=SIGNATURE_TRIES if usable else 0,
        policy=SIGNATURE_PASSWORD,
    )


def availability(persona: Persona) -> bytes:
    """EF 0008: a byte each for the signature and the authentication certificate, and one of unknown use."""
    return bytes((0x8F if persona.has_signature_certificate else 0x00, 0x8F, 0x00))


def token_information(persona: Persona) -> bytes:
    """EF 0006, 160 bytes (§3.1; integers are big-endian u32). Serials begin with 9, as those of no card do."""
    serial = f"9{persona.holder.manufacture_serial[-15:]}"
    return b"".join(
        (
            _LABELS[persona.card].encode().ljust(32),
            b"0" * 31 + b"1",
            b"E00R00EM".ljust(16),
            serial.encode(),
            _integers(0x0000040D, 1, 0, 1, 0, 16, 6),
            b"\xff" * 16,
            b"03",
            b"01",
            b"9" * 16,
        )
    )


def _integers(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big") for value in values)


def _certificate(persona: Persona, jpki: EmulatedJpki, kind: CertificateKind) -> bytes:
    if not persona.has(kind):
        return b""
    return jpki.certificate(persona, kind).public_bytes(Encoding.DER)


def _ca_certificate(persona: Persona, jpki: EmulatedJpki, kind: CertificateKind) -> bytes:
    issuer = Issuer.GENUINE if persona.issuer is Issuer.SELF else persona.issuer
    return jpki.ca_certificate(kind, persona.generation, issuer=issuer).public_bytes(Encoding.DER)
