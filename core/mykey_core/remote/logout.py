"""OpenID Connect Back-Channel Logout 1.0: the plugin hears that a session has ended, whoever ended it and where."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from joserfc import jwt
from sqlalchemy import delete, select

from mykey_core.outbox.events import emit
from mykey_core.outbox.leases import Leased
from mykey_core.remote.hooks import LOGOUT, webhooks_of
from mykey_core.remote.keys import ALGORITHMS, ProviderKeys, Use
from mykey_core.remote.tables import provider_login, provider_token
from mykey_core.storage.session import Session

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LIFETIME: Final = timedelta(minutes=2)


def logout_token(keys: ProviderKeys, client: str, row: Leased, now: datetime) -> str:
    """The logout token of one session (section 2.4): with `sid` and `sub`, and never with a nonce."""
    claims = {
        "iss": row.facts["issuer"],
        "aud": client,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        "jti": str(row.id),
        "sub": row.facts["subject"],
        "sid": row.facts["sid"],
        "events": {EVENT: {}},
    }
    key, algorithm = keys.signing(Use.ID_TOKEN), ALGORITHMS[Use.ID_TOKEN]
    header = {"alg": algorithm, "typ": "logout+jwt", "kid": keys.key_id(Use.ID_TOKEN)}
    return jwt.encode(header, claims, key, [algorithm])


def sessions_ended(session: Session, municipality: str, ended: Iterable[UUID], now: datetime) -> None:
    """Within the transaction that ends sessions of citizens: tell every plugin that was signed in to from them."""
    wanted = list(ended)
    if not wanted:
        return
    own = provider_login.c.municipality == municipality
    these = own & provider_login.c.session_id.in_(wanted)
    for row in session.execute(select(provider_login).where(these)).all():
        facts = {"issuer": row.issuer, "subject": row.subject, "sid": row.sid}
        emit(session, municipality, now, LOGOUT, subscribers=[webhooks_of(row.client)], facts=facts)
    session.execute(delete(provider_login).where(these))
    expired = (provider_token.c.municipality == municipality) & (provider_token.c.expires_at <= now)
    session.execute(delete(provider_token).where(expired))
