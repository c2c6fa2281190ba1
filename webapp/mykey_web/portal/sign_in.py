"""Signing in and out: with the card on this computer (through the agent), or by another device that has a reader.

The card is read by the page's script and the agent; the PIN never comes here. Forms work without script wherever no
card is read.
"""

from __future__ import annotations

import segno
from flask import Blueprint, Response, abort, current_app, jsonify, redirect, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as WerkzeugResponse

from mykey_core.counter.acts import CLERKS
from mykey_core.portal.challenges import Audience
from mykey_core.portal.sessions import SessionKind
from mykey_core.portal.sign_in import SignedIn
from mykey_core.translations import LANGUAGES
from mykey_web.design.wording import frame_catalogue
from mykey_web.pages.areas import ADMINISTRATOR, is_local_path
from mykey_web.pages.frame import render
from mykey_web.portal.bodies import challenge_id, challenge_json, json_body, token_of
from mykey_web.sessions.browser import address, current, portal
from mykey_web.sessions.headers import reads_card

blueprint = Blueprint("sign_in", __name__)
_BEGIN = "20/minute"  # a computer at a counter signs many people in
_PROVE = "20/minute"
_CODES = "10/minute"  # codes of hand-overs that a computer may try
_SHOWN = 4  # signs in a group of a code
_AT_THE_COUNTER = {*CLERKS, "auditor"}


@blueprint.get("/")
def citizen() -> str:
    """Sign in as a citizen."""
    reads_card()
    current().ensured()
    return render("portal/sign-in.html", audience=Audience.CITIZEN.value, next=_next())


@blueprint.get("/staff")
def staff() -> str:
    """Sign in as staff."""
    reads_card()
    current().ensured()
    return render("portal/sign-in.html", audience=Audience.STAFF.value, next=_next())


@blueprint.post("/challenge")
def challenge() -> Response:
    """A nonce for the card in this browser's reader."""
    portal().rates.hit(_BEGIN, "begin", address())
    audience = Audience.STAFF if json_body().get("audience") == Audience.STAFF.value else Audience.CITIZEN
    return challenge_json(portal().sign_ins.begin(current().ensured(), audience))


@blueprint.post("/card")
def card() -> Response:
    """The card's proof; the answer says where to go."""
    portal().rates.hit(_PROVE, "prove", address())
    body = json_body()
    invitation = body.get("invitation")
    done = portal().sign_ins.prove(
        current().ensured(), challenge_id(body), token_of(body), invitation if isinstance(invitation, str) else None
    )
    _take(done)
    return jsonify({"next": _after(done, body.get("next"))})


@blueprint.post("/sign-out")
def sign_out() -> WerkzeugResponse:
    """End this session; `reason=card` when the card was taken out: a citizen's at a service point, which goes on."""
    browser = current()
    session = browser.session
    if session is not None and session.kind is not SessionKind.VISITOR:
        portal().sign_ins.sign_out(session)
    browser.forget()
    card_left = request.form.get("reason") == "card"
    staff_left = session is not None and session.kind is SessionKind.STAFF
    if card_left and not staff_left:
        return redirect(url_for("pages.point"), 303)
    browser.say("sign_in.card_taken" if card_left else "sign_in.signed_out")
    return redirect(url_for(".staff" if staff_left else ".citizen"), 303)


# -- by another device ----------------------------------------------------------------------------------------


@blueprint.get("/other-device")
def other_device() -> str | WerkzeugResponse:
    """What became of the hand-over that this browser began; the page looks again by itself every three seconds."""
    found = portal().sign_ins.hand_over_of(current().ensured())
    if found is not None and found.state == "approved":
        return render("portal/other-device-done.html", asked=found)
    return render("portal/other-device.html", asked=found, code=None, qr=None)


@blueprint.post("/other-device")
def begin_other_device() -> str:
    """Begin a hand-over: a QR code and four digits. They are shown once and are in no address."""
    portal().rates.hit(_BEGIN, "begin", address())
    made = portal().sign_ins.begin_hand_over(current().ensured())
    target = portal().hub.settings.origin + url_for(".approve")
    qr = _qr(f"{target}#code={made.code}")
    return render("portal/other-device.html", asked=made.challenge, code=_grouped(made.code), qr=qr, address=target)


@blueprint.get("/other-device/state")
def other_device_state() -> Response:
    """The state alone, for the page that shows the QR code."""
    found = portal().sign_ins.hand_over_of(current().ensured())
    return jsonify({"state": "over" if found is None else found.state})


@blueprint.post("/other-device/finish")
def finish_other_device() -> WerkzeugResponse:
    """Come in after the other device has approved."""
    done = portal().sign_ins.finish_hand_over(current().ensured())
    _take(done)
    return redirect(url_for("my.home"), 303)


@blueprint.get("/approve")
def approve() -> str:
    """The page for the device with the reader; the code comes in the fragment, or is typed."""
    reads_card()
    current().ensured()
    return render("portal/approve.html")


@blueprint.post("/approve/challenge")
def approve_challenge() -> Response:
    """What is asked for, and the nonce for the card."""
    portal().rates.hit(_CODES, "code", address())
    code = json_body().get("code")
    asked, nonce = portal().sign_ins.begin_approval(current().ensured(), code if isinstance(code, str) else "")
    more = {"comparison": asked.comparison, "device": asked.device}
    return challenge_json(nonce, **more)


@blueprint.post("/approve/card")
def approve_card() -> Response:
    """The card's proof for the other browser."""
    portal().rates.hit(_PROVE, "prove", address())
    body = json_body()
    portal().sign_ins.approve(current().ensured(), challenge_id(body), token_of(body))
    return jsonify({"next": url_for(".approved")})


@blueprint.post("/approve/refuse")
def approve_refuse() -> Response:
    """The digits differ, or nobody has asked."""
    portal().sign_ins.refuse(current().ensured(), challenge_id(json_body()))
    return jsonify({"next": url_for(".approved", refused=1)})


@blueprint.get("/approved")
def approved() -> str:
    """The end on the device with the reader."""
    return render("portal/approved.html", refused="refused" in request.args)


@blueprint.get("/texts/<language>.json")
def texts(language: str) -> Response:
    """The words that the scripts of these pages need, in one language."""
    if language not in LANGUAGES:
        abort(404)
    catalogue = frame_catalogue()
    keys = [key for key in catalogue.texts["ja"] if key.startswith(("sign_in.", "approve.", "device."))]
    return jsonify({key: catalogue.get(key, language) for key in keys})


# -- inside ---------------------------------------------------------------------------------------------------


def _take(done: SignedIn) -> None:
    current().take(done.opened)


def _next() -> str:
    wanted = request.args.get("next", "")
    return wanted if is_local_path(wanted) else ""


def _after(done: SignedIn, wanted: object) -> str:
    if isinstance(wanted, str) and wanted and is_local_path(wanted):
        return request.script_root + wanted
    if done.staff is None:
        return url_for("my.home")
    if ADMINISTRATOR in done.staff.roles and not done.staff.roles & _AT_THE_COUNTER:
        return url_for("admin.home")
    return url_for("counter.home" if "counter.home" in current_app.view_functions else "pages.home")


def _grouped(code: str) -> str:
    return "-".join(code[place : place + _SHOWN] for place in range(0, len(code), _SHOWN))


def _qr(target: str) -> Markup:
    """The QR code as SVG; the error correction bears a scratched screen."""
    return Markup(segno.make(target, error="m").svg_inline(scale=6, border=3, dark="#000", light="#fff"))  # noqa: S704 - made by segno from our own address
