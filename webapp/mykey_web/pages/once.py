"""A form that is sent twice does its work once: double click, reload, the back button, a lost answer.

Every form has a key of its own (`form_fields`). The key is claimed in the commit of the act itself, and the answer is
kept for a day, sealed under the browser's cookie, which the database does not know. Refusals are decided anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken
from flask import Flask, Response, current_app, g, request
from markupsafe import Markup
from sqlalchemy import delete
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.errors import Refusal, StorageUnavailable
from mykey_core.plugins.pages import Area
from mykey_core.storage import act
from mykey_core.storage.idempotency import IdempotencyKey, claim, find_answer, keep_answer
from mykey_core.storage.session import Session
from mykey_core.storage.tables import idempotency_key
from mykey_web.pages.areas import here
from mykey_web.pages.frame import csrf_field
from mykey_web.sessions.browser import current, portal
from mykey_web.sessions.csrf import FIELD as CSRF_FIELD
from mykey_web.sessions.csrf import SAFE_METHODS

FIELD: Final = "form_key"
HEADER: Final = "Idempotency-Key"
_LONGEST_KEY: Final = 64
_LONGEST_ANSWER: Final = 256 * 1024
_KEPT_HEADERS: Final = ("Content-Type", "Location", "Content-Security-Policy")
_PATIENCE_SECONDS: Final = 3.0
_LOOK_EVERY_SECONDS: Final = 0.05
_LABEL: Final = b"mykey form answer v1"
_log = logging.getLogger(__name__)


class SentTwice(Exception):
    """Another request has claimed this form's key; nothing was done by this one."""


@dataclass(slots=True)
class _Once:
    """The form of this request: its key, what seals its answer, and whether something was written for it."""

    key: IdempotencyKey
    seal: Fernet
    first: act.FirstWrite


def add_once(app: Flask) -> None:
    """Look at every form before its view, and keep the answer after it."""
    app.before_request(begin_once)
    app.after_request(keep_once)
    app.teardown_request(_end)
    app.register_error_handler(SentTwice, _sent_twice)
    app.jinja_env.globals.update(csrf_field=form_fields)


def form_fields() -> Markup:
    """The hidden fields of every form that changes something: the session's token, and this one form's key."""
    return csrf_field() + Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, secrets.token_urlsafe(12))


def begin_once() -> WerkzeugResponse | None:
    """Answer a form that was answered before; have the act of any other begin with the claim of its key."""
    place = here()
    if place is None or place.area is Area.POINT_API or request.method in SAFE_METHODS:
        return None
    token, session, text = current().token, current().session, _key_text()
    if token is None or session is None or not text:
        return None
    content = _content()
    key = IdempotencyKey.of(session.id, hashlib.sha256(text.encode() + content).hexdigest(), content)
    seal = _seal(token)
    answer = find_answer(portal().hub.database, _town(), key, portal().hub.clock())
    if answer is not None:
        return _again(seal, answer) or _wait(key, seal)
    g.mykey_once = _Once(key, seal, act.begin(lambda session: _claim(session, key)))
    return None


def keep_once(response: Response) -> Response:
    """Keep the answer of an act; free the key where nothing was done, or where doing it again is right."""
    once: _Once | None = g.pop("mykey_once", None)
    if once is None or not once.first.made:
        return response
    if response.status_code >= 500:  # noqa: PLR2004 - a fault of ours: nobody knows how much was done, the key stays
        return response
    body = b"" if response.direct_passthrough else response.get_data()
    repeatable = response.status_code >= 400 or "Content-Disposition" in response.headers  # noqa: PLR2004
    if repeatable or response.direct_passthrough or len(body) > _LONGEST_ANSWER:
        _in_commit(lambda session: _free(session, once.key))
    else:
        kept = {"sealed": _sealed(once.seal, response, body)}
        _in_commit(lambda session: keep_answer(session, _town(), once.key, kept))
    return response


# -- inside ---------------------------------------------------------------------------------------------------


def _key_text() -> str:
    text = request.headers.get(HEADER) or request.form.get(FIELD, "")
    return text[: _LONGEST_KEY + 1] if len(text) <= _LONGEST_KEY else ""


def _content() -> bytes:
    """What makes this form this form: another key, address or content is another act."""
    sent = [(name, value) for name, value in request.form.items(multi=True) if name not in {CSRF_FIELD, FIELD}]
    files = [(name, hashlib.sha256(file.stream.read()).hexdigest()) for name, file in request.files.items(multi=True)]
    for file in request.files.values():
        file.stream.seek(0)
    body = hashlib.sha256(request.get_data(cache=True)).hexdigest() if request.is_json else ""
    return json.dumps([request.method, request.full_path, sent, files, body]).encode()


def _claim(session: Session, key: IdempotencyKey) -> None:
    try:
        claim(session, _town(), key, portal().hub.clock())
    except Refusal as error:
        raise SentTwice from error


def _free(session: Session, key: IdempotencyKey) -> None:
    table = idempotency_key.c
    own = (table.municipality == _town()) & (table.caller == key.caller) & (table.key_hash == key.key_hash)
    session.execute(delete(idempotency_key).where(own))


def _in_commit(work: Callable[[Session], None]) -> None:
    """After the act: what goes wrong here takes nothing of it back, and a repeated form then asks people to look."""
    try:
        with act.aside():
            portal().hub.database.commit(work)
    except StorageUnavailable as error:
        _log.warning("the answer of a form was not kept: %s", error)


def _sent_twice(_: SentTwice) -> WerkzeugResponse:
    """Two at once: this one gets the answer of the other. Where that freed the key again, this one does the work."""
    once: _Once | None = g.pop("mykey_once", None)
    try:
        found = _wait(once.key, once.seal) if once is not None else None
        if found is not None or once is None:
            return found or current_app.make_response(current_app.handle_user_exception(Refusal("form_sent_already")))
        g.mykey_once = _Once(once.key, once.seal, act.begin(lambda session: _claim(session, once.key)))
        return current_app.make_response(current_app.dispatch_request())
    except Exception as error:  # noqa: BLE001 - we stand in an error handler: whatever it is has its own
        return current_app.make_response(current_app.handle_user_exception(error))


def _wait(key: IdempotencyKey, seal: Fernet) -> WerkzeugResponse | None:
    """The answer as soon as it is there; None when the key is free; `form_sent_already` when it does not come."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        answer = find_answer(portal().hub.database, _town(), key, portal().hub.clock())
        if answer is None:
            return None
        found = _again(seal, answer)
        if found is not None:
            return found
        time.sleep(_LOOK_EVERY_SECONDS)
    raise Refusal("form_sent_already")


def _sealed(seal: Fernet, response: Response, body: bytes) -> str:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    whole = {"status": response.status_code, "headers": headers, "says": current().says}
    whole["body"] = base64.b64encode(zlib.compress(body)).decode("ascii")
    return seal.encrypt(json.dumps(whole).encode()).decode("ascii")


def _again(seal: Fernet, answer: Mapping[str, Any]) -> WerkzeugResponse | None:
    """The answer that was given; None while there is none yet."""
    if "sealed" not in answer:
        return None
    try:
        whole = json.loads(seal.decrypt(answer["sealed"].encode("ascii")))
    except InvalidToken:
        raise Refusal("form_sent_already") from None
    if whole["says"] is not None:
        current().say(whole["says"])
    return Response(zlib.decompress(base64.b64decode(whole["body"])), whole["status"], whole["headers"])


def _seal(token: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hmac.new(token.encode(), _LABEL, hashlib.sha256).digest()))


def _town() -> str:
    return portal().hub.settings.municipality


def _end(_: BaseException | None) -> None:
    act.end()
