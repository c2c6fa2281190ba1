"""The state of a terminal: whether the hub accepts it, and the outcome of taps that were left open.

Used by `mykey terminal status` after a crash or a power cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mykey_terminal.errors import HubError, HubProblemError
from mykey_terminal.problems import problem_of
from mykey_terminal.version import VERSION

if TYPE_CHECKING:
    from mykey_terminal.hub import Hub
    from mykey_terminal.open_writings import OpenWritings
    from mykey_terminal.pending import PendingTap, PendingTaps

_NOT_FOUND = 404


def terminal_status(
    hub: Hub, pending: PendingTaps, writings: OpenWritings | None = None, *, language: str | None = None
) -> dict[str, Any]:
    """Ask the hub for the services and for every tap and card writing left open.

    `hub` is `reachable` or the code of the problem. A tap whose outcome is final is reported once and forgotten.
    """
    enrolment = hub.enrolment
    status: dict[str, Any] = {
        "version": VERSION,
        "terminal_id": enrolment.terminal_id,
        "hub_origin": enrolment.hub_origin,
        "service_point": enrolment.service_point,
    }
    try:
        services = hub.services(language=language)
    except HubError as error:
        return {**status, "hub": problem_of(error).code, "open_taps": [_open(tap) for tap in pending.all()]}
    names = [service.get("service") for service in services.get("services", [])]
    taps = [_ask(hub, pending, tap, language) for tap in pending.all()]
    answer = {**status, "hub": "reachable", "services": names, "open_taps": taps}
    return answer if writings is None else {**answer, "open_writings": writings.settle(hub, language=language)}


def _ask(hub: Hub, pending: PendingTaps, tap: PendingTap, language: str | None) -> dict[str, Any]:
    try:
        answer = hub.tap_state(tap.tap_id, language=language)
    except HubProblemError as error:
        if error.problem.status != _NOT_FOUND:
            return _open(tap, problem_of(error).code)
        pending.remove(tap.tap_id)
        return _open(tap, "unknown")
    except HubError as error:
        return _open(tap, problem_of(error).code)
    if answer.state != "open":
        pending.remove(tap.tap_id)
    return _open(tap, answer.state)


def _open(tap: PendingTap, state: str = "not_asked") -> dict[str, Any]:
    return {"tap_id": tap.tap_id, "service": tap.service, "action": tap.action, "state": state}
