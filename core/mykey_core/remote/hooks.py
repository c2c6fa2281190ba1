"""The hooks of a remote plugin within the hub: each one leaves a webhook in the outbox, in the caller's transaction.

So the hub treats a remote plugin like any other, and never waits for it while somebody stands at a counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select

from mykey_core.clock import Clock
from mykey_core.identity import changes
from mykey_core.outbox.events import emit
from mykey_core.plugins.arguments import Event, IdentityChange, TapRequest
from mykey_core.plugins.database import PluginDatabase, core_session
from mykey_core.plugins.hookspecs import hookimpl
from mykey_core.plugins.json_values import Json
from mykey_core.plugins.results import Message, Outcome, TapResult
from mykey_core.remote.tables import provider_login, provider_token
from mykey_core.storage.session import Session
from mykey_core.storage.tables import pairwise
from mykey_core.translations import Text

if TYPE_CHECKING:
    from mykey_core.plugins.context import PluginContext

TAP: Final = "core.tap"
LOGOUT: Final = "core.logout"


def webhooks_of(plugin: str) -> str:
    """The subscriber's name under which a remote plugin's webhooks wait in the outbox."""
    return f"{plugin}:webhooks"


def forget_sign_ins(session: Session, municipality: str, plugin: str, subject: str) -> int:
    """End the tokens and logins of one person at one plugin; how many."""
    own = (pairwise.c.municipality == municipality, pairwise.c.plugin == plugin, pairwise.c.subject == subject)
    row = session.execute(select(pairwise.c.person_id).where(*own)).first()
    logins = (provider_login.c.municipality == municipality, provider_login.c.client == plugin)
    ended = session.execute(delete(provider_login).where(*logins, provider_login.c.subject == subject)).rowcount
    if row is not None:
        tokens = (provider_token.c.municipality == municipality, provider_token.c.client == plugin)
        ended += session.execute(
            delete(provider_token).where(*tokens, provider_token.c.person_id == row.person_id)
        ).rowcount
    return int(ended)


class RemoteShredder:
    """What the plugin holds stands elsewhere. When a link ends, it is told to delete it (`core.identity-ended`)."""

    def __init__(self, plugin: str) -> None:
        self._plugin = plugin

    def export(self, subject: str | None, database: PluginDatabase) -> Json:  # noqa: ARG002 - the protocol's arguments
        """Where to ask: the hub holds nothing of it but the link."""
        return {"held_outside_the_hub_by": self._plugin}

    def shred(self, subject: str | None, database: PluginDatabase) -> int:
        """Take back what the person's sign-ins gave; nothing else is here."""
        if subject is None:
            return 0
        with core_session(database) as session:
            return forget_sign_ins(session, database.municipality, self._plugin, subject)


class RemoteHooks:
    """See the module; one object for each remote plugin. `clock` is the hub's."""

    def __init__(self, plugin: str, clock: Clock) -> None:
        self._plugin = plugin
        self._clock = clock

    @hookimpl
    def mykey_tap(self, context: PluginContext, request: TapRequest, database: PluginDatabase) -> TapResult:  # noqa: ARG002 - pluggy matches names
        """The tap is taken down for the plugin, and the counter told so."""
        facts = {
            "service": request.service,
            "action": request.action,
            "service_point": request.service_point,
            "input": dict(request.input),
            "new_subject": request.new_subject,
        }
        self._tell(database, TAP, facts, request.subject)
        message = Message(Text("remote.noted.title"), Text("remote.noted.text"))
        return TapResult(Outcome.DONE, f"{self._plugin}.noted", message)

    @hookimpl
    def mykey_event(self, context: PluginContext, event: Event, database: PluginDatabase) -> None:  # noqa: ARG002 - as above
        """An event that the plugin asked for."""
        self._tell(database, event.name, event.data, event.subject)

    @hookimpl
    def mykey_identity_linked(self, context: PluginContext, change: IdentityChange, database: PluginDatabase) -> None:  # noqa: ARG002 - as above
        """The plugin knows somebody from now on."""
        self._changed(database, changes.LINKED, change)

    @hookimpl
    def mykey_identity_replaced(self, context: PluginContext, change: IdentityChange, database: PluginDatabase) -> None:  # noqa: ARG002 - as above
        """A certificate or the pairwise id was replaced."""
        self._changed(database, changes.REPLACED, change)

    @hookimpl
    def mykey_identity_ended(self, context: PluginContext, change: IdentityChange, database: PluginDatabase) -> None:  # noqa: ARG002 - as above
        """Somebody is not served any more."""
        self._changed(database, changes.ENDED, change)

    @hookimpl
    def mykey_shredder(self, context: PluginContext) -> RemoteShredder:  # noqa: ARG002 - as above
        """So that a citizen can leave the service in the portal."""
        return RemoteShredder(self._plugin)

    def _changed(self, database: PluginDatabase, kind: str, change: IdentityChange) -> None:
        facts: dict[str, Any] = {"reason": change.reason.value}
        if change.previous_subject is not None:
            facts["previous_subject"] = change.previous_subject
        self._tell(database, kind, facts, change.subject)

    def _tell(self, database: PluginDatabase, kind: str, facts: Mapping[str, Any], subject: str | None) -> None:
        whole = {**facts, "subject": subject}
        with core_session(database) as session:
            now, receivers = self._clock(), [webhooks_of(self._plugin)]
            emit(session, database.municipality, now, kind, subscribers=receivers, facts=whole)
