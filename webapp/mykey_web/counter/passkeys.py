"""Passkeys of staff in pages: signing in by one, making one, and the browsers in which somebody is signed in."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.errors import Refusal
from mykey_core.portal.sessions import WebSession
from mykey_web.api import redirect_after
from mykey_web.counter.clerks import member, passkeys, uuid_of
from mykey_web.counter.views import blueprint
from mykey_web.pages.areas import is_local_path
from mykey_web.pages.frame import render
from mykey_web.portal.bodies import json_body, member_of, text_of
from mykey_web.sessions.browser import address, current, portal

sign_in = Blueprint("passkey", __name__)
_RATE = "20/minute"


@sign_in.post("/options")
def sign_in_options() -> Response:
    """A challenge for any passkey of this hub's staff."""
    portal().rates.hit(_RATE, "begin", address())
    return jsonify(passkeys().begin(current().ensured()))


@sign_in.post("/proof")
def sign_in_proof() -> Response:
    """The authenticator's proof; the answer says where to go."""
    portal().rates.hit(_RATE, "prove", address())
    body = json_body()
    done = passkeys().prove(current().ensured(), member_of(body, "credential"))
    current().take(done.opened)
    wanted = text_of(body, "next")
    return jsonify(
        {"next": request.script_root + wanted if wanted and is_local_path(wanted) else url_for("counter.home")}
    )


@sign_in.post("/invited/options")
def invited_options() -> Response:
    """Options for a new passkey, for whoever holds an administrator's invitation."""
    portal().rates.hit("10/minute", "code", address())
    return jsonify(passkeys().begin_invited(current().ensured(), text_of(json_body(), "invitation")))


@sign_in.post("/invited/proof")
def invited_proof() -> Response:
    """Keep the new passkey, use the invitation up, and come in."""
    portal().rates.hit("10/minute", "code", address())
    body = json_body()
    done = passkeys().make_invited(
        current().ensured(), text_of(body, "invitation"), member_of(body, "credential"), text_of(body, "title")
    )
    current().take(done.opened)
    return jsonify({"next": url_for("counter.home")})


# -- for staff who are signed in ------------------------------------------------------------------------------


@blueprint.get("/passkeys")
def passkey_list() -> str:
    """One's own passkeys."""
    who = member()
    with portal().hub.database.reading() as database:
        found = passkeys().of_member(database, who.name)
    return render("counter/passkeys.html", found=found, possible=passkeys().possible)


@blueprint.post("/passkeys/options")
def passkey_options() -> Response:
    """Options for one more passkey of one's own."""
    return jsonify(passkeys().begin_for(_browser(), member()))


@blueprint.post("/passkeys/proof")
def passkey_proof() -> Response:
    """Keep the new passkey."""
    body = json_body()
    passkeys().make(_browser(), member(), member_of(body, "credential"), text_of(body, "title"))
    current().say("counter.passkeys.added")
    return jsonify({"next": url_for(".passkey_list")})


@blueprint.post("/passkeys/remove")
def passkey_remove() -> WerkzeugResponse:
    """Forget a passkey."""
    passkeys().remove(member(), uuid_of(request.form.get("passkey"), "passkey_unknown"))
    return redirect_after(".passkey_list", notice="counter.passkeys.removed")


@blueprint.get("/devices")
def devices() -> str:
    """Where I am signed in."""
    mine = _browser()
    with portal().hub.database.reading() as database:
        found = portal().sessions.of_holder(database, mine)
    return render("counter/devices.html", found=found, mine=mine)


@blueprint.post("/devices/end")
def end_device() -> WerkzeugResponse:
    """Sign one other browser out."""
    portal().sign_ins.sign_out_one(_browser(), uuid_of(request.form.get("session"), "not_found"))
    return redirect_after(".devices", notice="counter.devices.ended")


@blueprint.post("/devices/end-others")
def end_other_devices() -> WerkzeugResponse:
    """Sign out everywhere else."""
    portal().sign_ins.sign_out_others(_browser())
    return redirect_after(".devices", notice="counter.devices.ended_others")


def _browser() -> WebSession:
    session = current().session
    if session is None:
        raise Refusal("sign_in_needed")
    return session
