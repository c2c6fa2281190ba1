"""/api/v1/remote: what a plugin outside of the hub may do there; each scope is named like its capability."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from apiflask import APIBlueprint, HTTPError
from flask import Response, g, request
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import select
from werkzeug.exceptions import HTTPException

from mykey_core.audit.errors import AuditSchemaError
from mykey_core.authentication import strict_json
from mykey_core.errors import Refusal
from mykey_core.plugins.errors import PluginError
from mykey_core.plugins.loader import LoadedPlugin
from mykey_core.plugins.manifest import Capability
from mykey_core.portal.messages import Messages
from mykey_core.storage.session import Session
from mykey_core.storage.tables import pairwise
from mykey_web import problems
from mykey_web.api_v1.models import Model
from mykey_web.api_v1.paging import PageQuery, paged
from mykey_web.oidc.endpoints import bearer
from mykey_web.oidc.server import Provider

P = ParamSpec("P")
R = TypeVar("R")
_SECURITY = "remote"
_SUBJECT = Field(min_length=43, max_length=43, pattern=r"^[A-Za-z0-9_-]{43}$")


class EventBody(Model):
    """Something that happened at the plugin: `name` begins with the plugin's own; `data` hold nothing personal."""

    name: str = Field(max_length=65)
    data: dict[str, Any] = Field(default_factory=dict, max_length=32)
    subject: str | None = Field(default=None, max_length=43)


class AuditBody(Model):
    """An act for the audit log; `action` and all texts in `details` are machine words."""

    action: str = Field(max_length=64)
    subject: str | None = Field(default=None, max_length=43)
    details: dict[str, str | int | bool] = Field(default_factory=dict, max_length=16)


class Words(Model):
    """A message in one language, as plain text."""

    title: str = Field(min_length=1, max_length=100)
    text: str = Field(min_length=1, max_length=2000)


class MessageBody(Model):
    """A message that the citizen reads in the portal: language (`ja`, `en`, `ja-Hira`) → words. Japanese is needed."""

    subject: str = _SUBJECT
    content: dict[str, Words] = Field(min_length=1, max_length=3)


class PersonReply(Model):
    """A person whom the plugin knows."""

    subject: str
    linked_at: str


class PeopleReply(Model):
    """A page of the people whom the plugin knows, by their ids; `next` is null on the last one."""

    people: list[PersonReply]
    next: str | None = None


class MessageReply(Model):
    """The message's id."""

    id: str


def make_remote_api(provider: Provider) -> APIBlueprint:
    """The routes of one hub."""
    api = APIBlueprint("api_v1_remote", __name__, url_prefix="/api/v1/remote", tag="remote plugins")
    view = _Views(provider)
    api.register_error_handler(Refusal, problems.from_refusal)
    api.register_error_handler(HTTPException, problems.from_http_exception)
    api.register_error_handler(HTTPError, _refused_by_model)

    @api.post("/events")
    @_takes(api, EventBody)
    @api.output({}, status_code=204)
    @api.doc(security=_SECURITY)
    @view.needs(Capability.EVENTS)
    def publish(plugin: LoadedPlugin, body: EventBody) -> tuple[str, int]:
        """Tell other plugins of something (scope `events`)."""
        view.publish(plugin, body)
        return "", 204

    @api.post("/audit-records")
    @_takes(api, AuditBody)
    @api.output({}, status_code=204)
    @api.doc(security=_SECURITY)
    @view.needs(Capability.AUDIT)
    def record(plugin: LoadedPlugin, body: AuditBody) -> tuple[str, int]:
        """Record an act so that nobody can rewrite it; the person sees it (scope `audit`)."""
        view.record(plugin, body)
        return "", 204

    @api.get("/people")
    @paged(api)
    @api.output(PeopleReply)
    @api.doc(security=_SECURITY)
    @view.needs(Capability.PEOPLE)
    def people(plugin: LoadedPlugin, page: PageQuery) -> PeopleReply:
        """All pairwise ids that are the plugin's now: to find out what it missed (scope `people`)."""
        return view.people(plugin, page)

    @api.get("/people/<subject>")
    @api.output(PersonReply)
    @api.doc(security=_SECURITY)
    @view.needs(Capability.PEOPLE)
    def person(plugin: LoadedPlugin, subject: str) -> PersonReply:
        """Whether this pairwise id is still one of the plugin's (scope `people`)."""
        return view.person(plugin, subject)

    @api.post("/messages")
    @_takes(api, MessageBody)
    @api.output(MessageReply, status_code=201)
    @api.doc(security=_SECURITY)
    @view.needs(Capability.PEOPLE)
    def message(plugin: LoadedPlugin, body: MessageBody) -> MessageReply:
        """Leave a message for a person whom the plugin knows (scope `people`)."""
        return view.message(plugin, body)

    return api


def _takes(api: APIBlueprint, model: type[BaseModel]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give the view its body, strictly read and checked by `model`."""

    def decorate(view: Callable[..., R]) -> Callable[..., R]:
        @wraps(api.input(model, arg_name="body")(view))
        def checked(*args: Any, **kwargs: Any) -> R:
            if request.mimetype != "application/json":
                raise Refusal("unsupported_media_type")
            try:
                body = model.model_validate(strict_json.loads(request.get_data().decode("utf-8")))
            except ValidationError as error:
                raise HTTPError(422, detail={"json": error.errors()}) from error
            except ValueError as error:
                raise Refusal("request_malformed", "the body is no strict JSON") from error
            return view(*args, **kwargs, body=body)

        return checked

    return decorate


def _refused_by_model(error: HTTPError) -> Response:
    return problems.problem_response("input_invalid", {"members": problems.wrong_members(error)})


class _Views:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._hub = provider.hub
        self._town = provider.hub.settings.municipality

    def needs(self, capability: Capability) -> Callable[[Callable[..., R]], Callable[..., R]]:
        """Give the view the calling plugin, if its token has the scope and the town still grants the capability."""

        def decorate(view: Callable[..., R]) -> Callable[..., R]:
            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> R:
                g.remote_plugin = self._caller(capability)
                return view(g.remote_plugin, *args, **kwargs)

            return guarded

        return decorate

    def publish(self, plugin: LoadedPlugin, body: EventBody) -> None:
        """See the route."""
        with self._hub.database.writing() as session:
            self._known(session, plugin, body.subject)
            with self._hub.plugins.opened(plugin, session) as database:
                try:
                    plugin.context.events.publish(body.name, body.data, database, subject=body.subject)
                except PluginError as error:
                    raise Refusal("input_invalid", str(error)) from error

    def record(self, plugin: LoadedPlugin, body: AuditBody) -> None:
        """See the route."""
        with self._hub.database.writing() as session:
            self._known(session, plugin, body.subject)
            with self._hub.plugins.opened(plugin, session) as database:
                try:
                    plugin.context.audit.record(body.action, database, body.subject, body.details)
                except AuditSchemaError as error:
                    raise Refusal("input_invalid", str(error)) from error

    def person(self, plugin: LoadedPlugin, subject: str) -> PersonReply:
        """See the route."""
        with self._hub.database.reading() as session:
            row = self._row(session, plugin, subject)
        return PersonReply(subject=subject, linked_at=row.created_at.isoformat())

    def people(self, plugin: LoadedPlugin, page: PageQuery) -> PeopleReply:
        """See the route."""
        own = (pairwise.c.municipality == self._town) & (pairwise.c.plugin == plugin.context.name)
        found = select(pairwise.c.subject, pairwise.c.created_at).where(own, pairwise.c.subject > page.after)
        with self._hub.database.reading() as session:
            rows = session.execute(found.order_by(pairwise.c.subject).limit(page.limit + 1)).all()
        people = [PersonReply(subject=row.subject, linked_at=row.created_at.isoformat()) for row in rows[: page.limit]]
        return PeopleReply(people=people, next=people[-1].subject if len(rows) > page.limit else None)

    def message(self, plugin: LoadedPlugin, body: MessageBody) -> MessageReply:
        """See the route."""
        if "ja" not in body.content or set(body.content) - {"ja", "en", "ja-Hira"}:
            raise Refusal("input_invalid", "content")
        content = {language: words.model_dump() for language, words in body.content.items()}
        name, now = plugin.context.name, self._hub.clock()
        with self._hub.database.writing() as session:
            row = self._row(session, plugin, body.subject)
            sent = Messages(self._town).send(session, row.person_id, body.subject, content, at=now, sender=name)
        return MessageReply(id=str(sent))

    def _caller(self, capability: Capability) -> LoadedPlugin:
        token = bearer(self._provider)
        plugin = None if token is None else self._hub.plugins.plugins.get(token.client)
        if token is None or plugin is None or token.person_id is not None:
            raise Refusal("remote_unauthorized")
        if capability.value not in token.scope or not plugin.context.may(capability):
            raise Refusal("remote_scope_missing", capability.value)
        return plugin

    def _known(self, session: Session, plugin: LoadedPlugin, subject: str | None) -> None:
        if subject is not None:
            self._row(session, plugin, subject)

    def _row(self, session: Session, plugin: LoadedPlugin, subject: str) -> Any:
        own = (pairwise.c.municipality == self._town) & (pairwise.c.plugin == plugin.context.name)
        found = select(pairwise.c.person_id, pairwise.c.created_at).where(own, pairwise.c.subject == subject)
        row = session.execute(found).first()
        if row is None:
            raise Refusal("remote_subject_unknown")
        return row
