"""Logins of self-check machines: which account a user and a password belong to."""

from __future__ import annotations

from collections.abc import Iterable

from werkzeug.security import check_password_hash, generate_password_hash

from mykey_library.sip2.settings import Account


def hash_password(password: str) -> str:
    """The line for `password_hash` of an account (scrypt)."""
    return generate_password_hash(password)


class Passwords:
    """Checks logins. An unknown user takes as long as a wrong password."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._accounts = {account.user: account for account in accounts}
        self._nobody = hash_password("")

    def account(self, user: str, password: str) -> Account | None:
        """The account, or None when user or password are wrong."""
        account = self._accounts.get(user)
        expected = account.password_hash if account else self._nobody
        fits = check_password_hash(expected, password)
        return account if fits else None
