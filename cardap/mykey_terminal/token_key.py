"""A device key in a PKCS#11 token (smart card, TPM, USB token): it signs there and cannot be copied with the disk.

Needs the extra `mykey[pkcs11]`. The state directory holds `device-key.json`: which module, which token, which label,
and the file with the token's PIN; no secret.
"""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc.jwk import OKPKey
from joserfc.util import json_b64encode, urlsafe_b64encode

from mykey_terminal.device_key import ALGORITHM, assertion_claims
from mykey_terminal.errors import StateError
from mykey_terminal.files import read_private, write_private

if TYPE_CHECKING:
    from datetime import datetime

_LOCK = threading.RLock()
"""Held around every call into the module: python-pkcs11 initialises it without locking (PKCS#11 v2.40 §5.4)."""
_ED25519 = "1.3.101.112"
_POINT = 32


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where the key is: the vendor's module, the token's label, a file of mode 0600 with its PIN, the key's label."""

    module: Path
    token: str
    pin_file: Path
    label: str

    @classmethod
    def load(cls, path: Path) -> TokenPlace:
        """Read `device-key.json`. Raises `StateError`."""
        try:
            found = json.loads(read_private(path))
            return cls(Path(found["module"]), found["token"], Path(found["pin_file"]), found["label"])
        except (ValueError, KeyError, TypeError) as error:
            raise StateError("does not say where the device key is", path=path) from error

    def save(self, path: Path) -> None:
        """Write `device-key.json`."""
        place = {"module": str(self.module), "token": self.token, "pin_file": str(self.pin_file), "label": self.label}
        write_private(path, json.dumps(place, ensure_ascii=False, indent=2).encode())


class TokenDeviceKey:
    """An Ed25519 key pair in a token; the same use as `DeviceKey`."""

    def __init__(self, place: TokenPlace, *, make: bool = False) -> None:
        """Find the key, or make it where there is none (`make`). Raises `StateError` for whatever the token refuses."""
        self._place = place
        with _LOCK:
            self._session = _session(place.module, place.token, place.pin_file)
            public = self._public() or (self._generate() if make else None)
            if public is None:
                raise StateError(f"the token holds no key called {place.label}", path=place.module)
        self._jwk = OKPKey.import_key(Ed25519PublicKey.from_public_bytes(public))
        self._verifier = Ed25519PublicKey.from_public_bytes(public)

    def __repr__(self) -> str:
        return f"<TokenDeviceKey {self._place.label}>"

    @property
    def thumbprint(self) -> str:
        """The JWK thumbprint (RFC 7638, SHA-256, base64url)."""
        return self._jwk.thumbprint()

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The public half as a JWK (RFC 8037)."""
        return dict(self._jwk.as_dict(private=False))

    def sign(self, data: bytes) -> bytes:
        """An Ed25519 signature made by the token (RFC 8032). Raises `StateError` when it cannot."""
        from pkcs11 import KeyType, Mechanism, ObjectClass  # noqa: PLC0415 - an extra: mykey[pkcs11]
        from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415 - an extra

        with _LOCK:
            try:
                key = self._session.get_key(ObjectClass.PRIVATE_KEY, KeyType.EC_EDWARDS, label=self._place.label)
                return bytes(key.sign(data, mechanism=Mechanism.EDDSA))
            except PKCS11Error as error:
                raise StateError(
                    f"the token does not sign ({type(error).__name__})", path=self._place.module
                ) from error

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether this key made `signature` over `data`."""
        try:
            self._verifier.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def assertion(self, *, subject: str, audience: str, now: datetime) -> str:
        """A client assertion (RFC 7523 §3) as a JWS in compact form (RFC 7515 §7.1), signed by the token."""
        header = json_b64encode({"alg": ALGORITHM, "kid": self.thumbprint})
        claims = json_b64encode(assertion_claims(subject, audience, now))
        signed = header + b"." + claims
        return (signed + b"." + urlsafe_b64encode(self.sign(signed))).decode("ascii")

    def _public(self) -> bytes | None:
        from pkcs11 import Attribute, KeyType, ObjectClass  # noqa: PLC0415 - an extra: mykey[pkcs11]
        from pkcs11.exceptions import NoSuchKey  # noqa: PLC0415 - an extra

        try:
            key = self._session.get_key(ObjectClass.PUBLIC_KEY, KeyType.EC_EDWARDS, label=self._place.label)
        except NoSuchKey:
            return None
        return bytes(key[Attribute.EC_POINT])[-_POINT:]  # an OCTET STRING around the 32 bytes, or these alone

    def _generate(self) -> bytes | None:
        from pkcs11 import Attribute, KeyType, Mechanism  # noqa: PLC0415 - an extra: mykey[pkcs11]
        from pkcs11.exceptions import PKCS11Error  # noqa: PLC0415 - an extra
        from pkcs11.util.ec import encode_named_curve_parameters  # noqa: PLC0415 - an extra

        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(_ED25519)}
        try:
            parameters = self._session.create_domain_parameters(KeyType.EC_EDWARDS, curve, local=True)
            parameters.generate_keypair(
                mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                store=True,
                label=self._place.label,
                id=secrets.token_bytes(8),
            )
        except PKCS11Error as error:
            raise StateError(
                f"the token makes no Ed25519 key ({type(error).__name__})", path=self._place.module
            ) from error
        return self._public()


@cache
def _session(module: Path, token: str, pin_file: Path) -> Any:
    """The one session of this process with a token: logging in is the process's, and not the session's (§5.6.7)."""
    import pkcs11  # noqa: PLC0415 - an extra: mykey[pkcs11]

    try:
        pin = read_private(pin_file).decode().strip()
        found = pkcs11.lib(str(module)).get_token(token_label=token)
        try:
            return found.open(user_pin=pin, rw=True)
        except pkcs11.exceptions.UserAlreadyLoggedIn:  # another part of this program has logged in
            return found.open(rw=True)
    except (pkcs11.exceptions.PKCS11Error, RuntimeError, OSError) as error:
        raise StateError(f"the token cannot be opened ({type(error).__name__})", path=module) from error
