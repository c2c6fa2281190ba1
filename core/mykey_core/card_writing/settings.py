"""The part of `hub.toml` about card writing: who holds the keys of cards, and what needs a second person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mykey_core.card_writing.keys.provider import CardKeyProvider, ProviderKind
from mykey_core.card_writing.keys.software import load_card_keys
from mykey_core.card_writing.keys.tokens import TokenResidentCardKeys, TokenSignCardKeys
from mykey_core.card_writing.plan import Operation
from mykey_core.keys.pkcs11 import TokenSettings


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardTokenSettings(_Model):
    """The token with the master keys: the vendor's module, the token's label, a file with its PIN."""

    module: Path
    token_label: str
    pin_file: Path


class CardWritingSettings(_Model):
    """Everything of the table `[card_writing]`.

    `clerk_required`: a card counter does nothing unless a clerk is signed in in the browser at it. `four_eyes` are
    operations that a second member of staff has to approve; `release` is that of a card from
    quarantine. `shared_with` are towns whose cards are written here, too: the master keys are common to all of them.
    """

    provider: ProviderKind = ProviderKind.SOFTWARE
    keys_file: Path = Path("card-keys.json")
    pkcs11: CardTokenSettings | None = None
    clerk_required: bool = False
    four_eyes: frozenset[Operation | Literal["release"]] = frozenset()
    shared_with: frozenset[Annotated[str, Field(pattern=r"^\d{6}$")]] = frozenset()

    @model_validator(mode="after")
    def _has_a_token(self) -> Self:
        if self.provider is not ProviderKind.SOFTWARE and self.pkcs11 is None:
            raise ValueError("a provider in a token needs the table [card_writing.pkcs11]")
        return self

    def below(self, folder: Path) -> Self:
        """The same with relative paths made relative to `folder`."""
        update: dict[str, object] = {"keys_file": folder / self.keys_file}
        if self.pkcs11 is not None:
            update["pkcs11"] = self.pkcs11.model_copy(update={"pin_file": folder / self.pkcs11.pin_file})
        return self.model_copy(update=update)

    def open_keys(self, municipality: str) -> CardKeyProvider:
        """The master keys; `ConfigurationError` when the token or the file cannot be used."""
        if self.provider is ProviderKind.SOFTWARE or self.pkcs11 is None:
            return load_card_keys(self.keys_file)
        token = TokenSettings(self.pkcs11.module, self.pkcs11.token_label, self.pkcs11.pin_file)
        resident = self.provider is ProviderKind.PKCS11_RESIDENT
        return TokenResidentCardKeys(token, municipality) if resident else TokenSignCardKeys(token, municipality)
