"""Why a document was not signed. Errors of the card are those of `mykey_cardap.errors`."""

from __future__ import annotations

from typing import ClassVar

from mykey_terminal.errors import TerminalError


class DocumentNotSignableError(TerminalError):
    """The document cannot take a signature; `reason` is a key of the messages, `detail` is for a bug report."""

    code: ClassVar[str] = "document_not_signable"

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class WrongSignatureError(TerminalError):
    """The card's signature does not fit the certificate on the card: nothing was written."""

    code: ClassVar[str] = "wrong_signature"
