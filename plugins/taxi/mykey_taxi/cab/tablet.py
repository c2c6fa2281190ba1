"""The driver's page: forms on a tablet in the cab, served on this computer only; no script, and no network needed.

Its address has a secret part, so that no other page in the browser can reach it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Final

from flask import Blueprint, Flask, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from mykey_core.api import TOKYO, tokyo_date
from mykey_taxi.cab.link import CabError, Link
from mykey_taxi.cab.ride import CabRide
from mykey_taxi.errors import TaxiError
from mykey_taxi.rules.packs import PackSeries
from mykey_taxi.settlement.wording import words

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
_REFUSED: Final = 409


@dataclass(slots=True)
class Tablet:
    """The steps of a ride as forms. With `tray` an emulated card can be put into the reader."""

    cab: CabRide
    link: Link
    packs: PackSeries
    language: str
    tray: bool

    def page(self, **said: Any) -> str:
        """The page as the ride stands now."""
        known = {**self._state(), "language": self.language, "t": self._t, "tray_shown": self.tray}
        return render_template("mykey_taxi/tablet.html", **known, **said)

    def begin(self) -> None:
        """Somebody boards."""
        self.cab.begin(request.form["zone"])

    def tap(self) -> None:
        """Read a card."""
        self._insert()
        self.cab.tap()

    def fare(self) -> None:
        """The fare, typed."""
        meter, discount = (request.form.get(name, 0, type=int) or 0 for name in ("meter", "discount"))
        self.cab.set_fare(meter, discount, zone=request.form["zone"])

    def commit(self) -> None:
        """Count the ride on the card in the reader."""
        self._insert()
        self.cab.commit()

    def leave_out(self) -> None:
        """Whoever has not tapped again rides without subsidy."""
        for rider in self.cab.waiting():
            self.cab.leave_out(rider)

    def finish(self) -> str:
        """The record, and the receipt."""
        return self.page(receipt=self.cab.finish())

    def cancel(self) -> None:
        """Give the ride up."""
        self.cab.cancel()

    # -- inside -------------------------------------------------------------------------------------------------

    def _insert(self) -> None:
        card = request.form.get("card", "")
        if self.tray and card:
            self.link.ask("insert", card=card)

    def _t(self, key: str, **values: Any) -> str:
        return words(key, self.language, **values)

    def _state(self) -> dict[str, Any]:
        """Everything that the page shows of the ride and of the terminal."""
        draft, status = self.cab.draft, self._status()
        price = self.cab.price() if draft and draft.alight_at else None
        return {
            "draft": draft,
            "price": price,
            "reason": self._t(f"reason.{price.reason}") if price and price.reason else "",
            "waiting": self.cab.waiting() if price else [],
            "zones": self._zones(draft.board_at if draft else None),
            "status": status,
            "synced": self._synced(status),
        }

    def _status(self) -> Mapping[str, Any]:
        try:
            return self.link.ask("status")
        except CabError as error:
            return {"problem": error.code, "configuration": None, "queue": {"pending": 0}}

    def _zones(self, at: datetime | None) -> list[tuple[str, str]]:
        pack = self.packs.on(tokyo_date(at)) if at else self.packs.packs[-1]
        titles = {zone.id: {str(name): text for name, text in zone.title.items()} for zone in pack.area.zones}
        zones = [(name, title.get(self.language) or title.get("ja", name)) for name, title in titles.items()]
        return [*zones, ("outside", self._t("cab.outside"))]

    def _synced(self, status: Mapping[str, Any]) -> str:
        """When the signed deny list was made, in Japan's time."""
        configuration = status["configuration"]
        if configuration is None:
            return self._t("cab.never")
        return f"{datetime.fromisoformat(configuration['as_of']).astimezone(TOKYO):%m-%d %H:%M}"

    def guarded(self, step: Callable[[], str | None]) -> Callable[[], Any]:
        """A step as a view: back to the page, or the page with what was refused and what to do."""

        @wraps(step)
        def view() -> Any:
            try:
                return step() or redirect(url_for(".show"), 303)
            except TaxiError as error:
                return self.page(problem=self._told(error.code)), _REFUSED

        return view

    def _told(self, code: str) -> str:
        try:
            return self._t(f"cab.problem.{code}")
        except KeyError:
            return self._t("cab.problem", code=code)


def tablet_app(tablet: Tablet, *, secret: str, hosts: Sequence[str]) -> Flask:
    """The page under `/<secret>/`; only the `hosts` are answered, so that no other name leads here."""
    app = Flask(__name__, static_folder=None)
    pages = Blueprint(
        "cab",
        __name__,
        url_prefix=f"/{secret}",
        template_folder="../templates",
        static_folder="../static",
        static_url_path="/static",
    )
    pages.add_url_rule("/", "show", tablet.page)
    steps = (tablet.begin, tablet.tap, tablet.fare, tablet.commit, tablet.leave_out, tablet.finish, tablet.cancel)
    for step in steps:
        name = step.__name__
        pages.add_url_rule(f"/{name.replace('_', '-')}", name, tablet.guarded(step), methods=["POST"])

    @app.before_request
    def only_here() -> Answer | None:
        return None if request.host in hosts else Response("", 403)

    @app.after_request
    def headers(answer: Response) -> Response:
        answer.headers.update(_HEADERS)
        return answer

    app.register_blueprint(pages)
    return app
