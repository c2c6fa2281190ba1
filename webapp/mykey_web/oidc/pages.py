"""The provider's pages: the question whether a remote plugin may know the citizen, and the end of a session."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from flask import Blueprint, Response, redirect, request, url_for
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.consent.errors import ConsentDenied
from mykey_core.consent.ledger import ConsentLedger
from mykey_core.errors import Refusal
from mykey_core.plugins.manifest import Purpose
from mykey_core.portal.sessions import SessionKind, WebSession
from mykey_core.remote.keys import ALGORITHMS, Use
from mykey_web.oidc.checks import AFTER, Asked, RequestRefused, check_request, redirect_with
from mykey_web.oidc.clients import RemoteClient, find_client
from mykey_web.oidc.server import Provider, issuer
from mykey_web.pages.areas import is_signed_in_citizen
from mykey_web.pages.frame import render
from mykey_web.portal.words import purpose_text, title_of
from mykey_web.sessions.browser import address, current, portal
from mykey_web.sessions.headers import forms_lead_to

_RATE = "120/minute"
_LONGEST = 4000


def make_pages(provider: Provider) -> Blueprint:
    """The pages of one hub."""
    blueprint = Blueprint("oidc_pages", __name__)
    view = _Views(provider)

    @blueprint.get("/oidc/authorize")
    def authorize() -> WerkzeugResponse | str:
        portal().rates.hit(_RATE, "authorize", address())
        return view.answered(request.args, view.authorize)

    @blueprint.post("/oidc/consent")
    def consent() -> WerkzeugResponse | str:
        args = MultiDict(parse_qsl(request.form.get("request", "")[:_LONGEST], keep_blank_values=True))
        return view.answered(args, view.decide)

    @blueprint.get("/oidc/logout")
    def logout() -> WerkzeugResponse | str:
        return view.ask_to_leave(request.args)

    @blueprint.post("/oidc/logout/confirmed")
    def logout_confirmed() -> WerkzeugResponse:
        return view.leave(MultiDict(parse_qsl(request.form.get("request", "")[:_LONGEST])))

    return blueprint


class _Views:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._hub = provider.hub
        self._ledger = ConsentLedger(provider.hub.settings.municipality)

    def answered(self, args: MultiDict[str, str], view: object) -> WerkzeugResponse | str:
        """What `view` says to a request that passes all checks; a fault goes back to the client."""
        try:
            return view(check_request(self._hub, args), args)  # type: ignore[operator, no-any-return]
        except RequestRefused as refused:
            answer = {"error": refused.error}
            if refused.description:
                answer["error_description"] = refused.description
            return redirect(redirect_with(refused.asked, issuer(), **answer), 302)

    # -- signing in ---------------------------------------------------------------------------------------

    def authorize(self, asked: Asked, args: MultiDict[str, str]) -> WerkzeugResponse | str:
        """Sign in if need be, ask if need be, and give the code."""
        browser = self._citizen(asked)
        if browser is None:
            if "none" in asked.prompts:
                raise RequestRefused(asked, "login_required")
            return self._to_sign_in(asked, args)
        self._check_hint(asked, browser)
        missing = self._missing(asked, browser)
        if missing is not None or "consent" in asked.prompts:
            if "none" in asked.prompts:
                raise RequestRefused(asked, "consent_required")
            return self._ask(asked, args)
        grant = self._provider.server.get_consent_grant(end_user=browser)
        answer: Response = self._provider.server.create_authorization_response(grant=grant, grant_user=browser)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def decide(self, asked: Asked, args: MultiDict[str, str]) -> WerkzeugResponse:
        """The citizen's answer: agreed to and linked, or told to the client."""
        browser = self._citizen(asked)
        if browser is None:
            return self._to_sign_in(asked, args)
        if request.form.get("decision") != "agree":
            raise RequestRefused(asked, "access_denied")
        client, now = asked.client, self._hub.clock()
        with self._hub.database.writing() as session:
            if browser.person_id is not None:
                self._provider.store.link(session, client.client_id, browser.person_id)
                for purpose in self._purposes(asked):
                    self._ledger.grant(session, browser.person_id, client.client_id, purpose, at=now)
        kept = [(name, value) for name, value in args.items(multi=True) if name != "prompt"]
        prompts = " ".join(sorted(asked.prompts - {"consent", "select_account"}))
        again = [*kept, ("prompt", prompts)] if prompts else kept
        return redirect(f"{url_for('.authorize')}?{urlencode(again)}", 303)

    def _citizen(self, asked: Asked) -> WebSession | None:
        """The session, if it is one of a citizen and as fresh as the client wants it."""
        session = current().session
        if session is None or session.kind is not SessionKind.CITIZEN or not is_signed_in_citizen():
            return None
        begun = session.created_at
        if asked.max_age is not None and self._hub.clock() - begun > timedelta(seconds=asked.max_age):
            return None
        if asked.after is not None:
            return session if _microseconds(begun) > asked.after else None
        return None if "login" in asked.prompts or asked.max_age == 0 else session

    def _to_sign_in(self, asked: Asked, args: MultiDict[str, str]) -> WerkzeugResponse:
        """To the hub's own sign-in page and back here; a new sign-in that was asked for is made sure of."""
        again = [(name, value) for name, value in args.items(multi=True) if name not in {"prompt", AFTER}]
        prompts = asked.prompts - {"login"}
        if prompts:
            again.append(("prompt", " ".join(sorted(prompts))))
        if "login" in asked.prompts or asked.max_age == 0:
            again.append((AFTER, str(asked.after or _microseconds(self._hub.clock()))))
        back = f"/oidc/authorize?{urlencode(again)}"
        return redirect(f"{url_for('sign_in.citizen')}?next={quote(back, safe='')}", 303)

    def _check_hint(self, asked: Asked, browser: WebSession) -> None:
        """The client says whom it expects: it is that person, or nobody."""
        if asked.hint is None or browser.person_id is None:
            return
        expected = self._subject_of_hint(asked.hint, asked.client.client_id)
        if expected is None:
            raise RequestRefused(asked, "invalid_request", "id_token_hint is not one of ours for this client")
        if expected != self._provider.store.subject_of(asked.client.client_id, browser.person_id):
            raise RequestRefused(asked, "login_required", "another person is signed in")

    def _subject_of_hint(self, hint: str, client: str) -> str | None:
        """The subject of an ID token that we gave to this client, however old it is."""
        keys = KeySet.import_key_set({"keys": self._provider.keys.public(Use.ID_TOKEN)})
        try:
            claims = jwt.decode(hint, keys, algorithms=[ALGORITHMS[Use.ID_TOKEN]]).claims
        except (JoseError, ValueError):
            return None
        ours = claims.get("iss") == issuer() and claims.get("aud") == client and "events" not in claims
        return str(claims["sub"]) if ours and isinstance(claims.get("sub"), str) else None

    # -- consent ------------------------------------------------------------------------------------------

    def _missing(self, asked: Asked, browser: WebSession) -> str | None:
        """Why the citizen has to be asked: the plugin is new to them, or a purpose is not agreed to; None if not."""
        if (
            browser.person_id is None
            or self._provider.store.subject_of(asked.client.client_id, browser.person_id) is None
        ):
            return "link"
        with self._hub.database.reading() as session:
            for purpose in self._purposes(asked):
                try:
                    self._ledger.check(session, browser.person_id, asked.client.client_id, purpose, self._hub.clock())
                except ConsentDenied as denied:
                    return denied.code
        return None

    def _purposes(self, asked: Asked) -> list[Purpose]:
        wanted = set(asked.purposes)
        return [purpose for purpose in asked.client.manifest.purposes if purpose.name in wanted]

    def _ask(self, asked: Asked, args: Mapping[str, str]) -> str:
        manifest = asked.client.manifest
        forms_lead_to(asked.redirect_uri)
        purposes = [(one, _wording(manifest.name, one)) for one in self._purposes(asked)]
        return render(
            "oidc/consent.html",
            service=title_of(manifest.name),
            host=urlsplit(asked.redirect_uri).netloc,
            manifest=manifest,
            purposes=purposes,
            request_text=urlencode(list(MultiDict(args).items(multi=True))),
        )

    # -- the end of a session -----------------------------------------------------------------------------

    def ask_to_leave(self, args: MultiDict[str, str]) -> WerkzeugResponse | str:
        """RP-initiated logout: the citizen is asked, because any site can send somebody here."""
        client, back = self._way_back(args)
        session = current().session
        if session is None or session.kind is not SessionKind.CITIZEN:
            return redirect(back or url_for("sign_in.citizen"), 303)
        if back is not None:
            forms_lead_to(back)
        service = None if client is None else title_of(client.client_id)
        return render("oidc/logout.html", service=service, request_text=urlencode(list(args.items(multi=True))))

    def leave(self, args: MultiDict[str, str]) -> WerkzeugResponse:
        """Sign out here; every plugin that was signed in to from this session hears of it."""
        _, back = self._way_back(args)
        browser = current()
        if browser.session is not None and browser.session.kind is SessionKind.CITIZEN:
            portal().sign_ins.sign_out(browser.session)
        browser.forget()
        browser.say("sign_in.signed_out")
        return redirect(back or url_for("sign_in.citizen"), 303)

    def _way_back(self, args: MultiDict[str, str]) -> tuple[RemoteClient | None, str | None]:
        """(client, address to go to afterwards): an address counts only with a token that proves whose it is."""
        wanted, hint, name = args.get("post_logout_redirect_uri"), args.get("id_token_hint"), args.get("client_id")
        client = find_client(self._hub, name or self._audience(hint)) if name or hint else None
        proven = client is not None and hint is not None and self._subject_of_hint(hint, client.client_id) is not None
        if hint is not None and not proven:
            raise Refusal("oidc_redirect_unknown", "id_token_hint")
        if wanted is None:
            return client, None
        if client is None or not proven or wanted not in client.remote.post_logout_redirect_uris:
            raise Refusal("oidc_redirect_unknown", "post_logout_redirect_uri")
        state = args.get("state")
        joint = "&" if "?" in wanted else "?"
        return client, wanted if state is None else f"{wanted}{joint}{urlencode({'state': state})}"

    def _audience(self, hint: str | None) -> str:
        """The client that a hint is for; the hint is verified afterwards for exactly this one."""
        keys = KeySet.import_key_set({"keys": self._provider.keys.public(Use.ID_TOKEN)})
        try:
            return str(jwt.decode(hint or "", keys, algorithms=[ALGORITHMS[Use.ID_TOKEN]]).claims.get("aud", ""))
        except (JoseError, ValueError):
            return ""


def _microseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def _wording(plugin: str, purpose: Purpose) -> str:
    return purpose_text(plugin, purpose.name, {str(code): text for code, text in purpose.text.items()})
