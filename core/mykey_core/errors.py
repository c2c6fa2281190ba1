"""The root of the core's error tree, and what every refusal carries.

    MykeyError
    ├── Refusal            the hub says no, with a stable machine code (.code)
    │   ├── authentication.errors.TokenRefused   (token, certificate, signature, revocation, nonce)
    │   ├── taps.errors.TapRefused               (tap state, rights, registration)
    │   └── terminals.errors.TerminalRefused     (enrolment, client assertion, access token)
    ├── ConfigurationError the hub cannot start or act as configured; says which setting and what to do
    ├── StorageUnavailable the database is locked, full or gone: try again later
    └── plugins.errors.PluginError
    trust.errors.TrustError is a MykeyError too.

The wording for people is looked up by `code` in the translations; no error carries personal data.
"""

from __future__ import annotations

from typing import Any, Protocol


class Recorded(Protocol):
    """The audit record of a refusal, as far as an error needs to know it."""

    def as_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        ...


class MykeyError(Exception):
    """Anything that the core reports."""


class Refusal(MykeyError):
    """A refusal with a stable machine code, such as `nonce_used`; `detail` is for the log, without personal data.

    `audit` is the record of the refusal once it has been written.
    """

    audit: Recorded | None = None

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class ConfigurationError(MykeyError):
    """A setting is missing or unsafe; `setting` names it and the message says what to do.

    `fault` is `no_file`, `missing` or `unknown` for what the doctor says in the language of whoever asks; else empty.
    """

    def __init__(self, setting: str, message: str, *, fault: str = "") -> None:
        super().__init__(f"{setting}: {message}")
        self.setting = setting
        self.fault = fault


class StorageUnavailable(MykeyError):
    """The database cannot take the write now; nothing was written. `retry_after` is in seconds."""

    def __init__(self, reason: str, *, retry_after: int = 1) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
