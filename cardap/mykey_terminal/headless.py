"""A terminal without a page: a gate or a cab speaks JSON lines over standard input and output, or a local socket.

One request a line, one answer a line, in docs/reference/headless-terminal.md. A line may hold a PIN from a PIN pad: no
line is ever logged.
"""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mykey_cardap.errors import CardError
from mykey_terminal.agent.bodies import TapBody, parse
from mykey_terminal.errors import AgentError, TerminalError
from mykey_terminal.files import PRIVATE_FILE
from mykey_terminal.offline_cards import OfflineCardDesk, OfflineOrder
from mykey_terminal.offline_cards.desk import KINDS
from mykey_terminal.problems import problem_of

if TYPE_CHECKING:
    from mykey_terminal.agent.desk import CardDesk
    from mykey_terminal.queue import OfflineQueue
    from mykey_terminal.readers.virtual import VirtualReader
    from mykey_terminal.running import Upkeep

MAX_LINE = 16_384
Json = dict[str, Any]


@dataclass(slots=True)
class HeadlessDesk:
    """Answers requests for one terminal. Safe for several connections at once.

    A terminal that its hub has shut out refuses everything but `status` with `terminal_locked`.
    """

    queue: OfflineQueue
    upkeep: Upkeep
    desk: CardDesk
    wake: Callable[[], None] = lambda: None
    cards: OfflineCardDesk | None = None
    tray: VirtualReader | None = None
    _operations: Mapping[str, Callable[[Json], Json]] = field(init=False)

    def __post_init__(self) -> None:
        self._operations = {
            "status": self._status,
            "record": self._record,
            "find": self._find,
            "denied": self._denied,
            "tap": self._tap,
            "slot": self._slot,
            "commit": self._commit,
            "insert": self._insert,
        }

    def answer(self, line: str) -> str:
        """The answer to one line; whatever was wrong with it is part of the answer."""
        identity: Any = None
        try:
            request = _request(line)
            identity = request.pop("id", None)
            answer = self._do(request)
        except (TerminalError, CardError) as error:
            answer = {"ok": False, "problem": problem_of(error).to_json()}
        except ValueError:
            answer = {"ok": False, "problem": {"code": "request_malformed"}}
        return json.dumps({"id": identity, **answer}, ensure_ascii=False)

    def _do(self, request: Json) -> Json:
        operation = self._operations.get(str(request.pop("op", "")))
        if operation is None:
            raise ValueError("no such operation")
        if self.upkeep.condition.locked and operation != self._status:
            raise AgentError("terminal_locked", 403)
        return {"ok": True, **operation(request)}

    def _status(self, _: Json) -> Json:
        condition, configuration = self.upkeep.condition, self.upkeep.configuration.current
        contact = condition.last_contact
        return {
            "problem": condition.problem,
            "locked": condition.locked,
            "last_contact": None if contact is None else contact.isoformat(),
            "configuration": None
            if configuration is None
            else {
                "sequence": configuration.sequence,
                "as_of": configuration.as_of.isoformat(),
                "stale": configuration.is_stale(self.upkeep.clock()),
                "services": sorted(configuration.services),
            },
            "queue": self.queue.counts(),
            "reader": self.upkeep.reader_state(),
        }

    def _record(self, request: Json) -> Json:
        service, payload = _text(request, "service"), _object(request, "payload")
        known = self.queue.find_same(service, payload) if request.get("once") is True else None
        record = known or self.queue.append(service, payload)
        self.wake()
        return {"record_id": record.record_id, "seq": record.seq, "hash": record.hash.hex()}

    def _find(self, request: Json) -> Json:
        record = self.queue.find(_text(request, "record_id"))
        if record is None:
            return {"state": "unknown", "code": None, "receipt": None}
        return {"state": record.state or "pending", "code": record.code, "receipt": record.receipt}

    def _denied(self, request: Json) -> Json:
        configuration = self.upkeep.configuration.current
        if configuration is None:
            raise AgentError("configuration_missing", 503)
        stale = configuration.is_stale(self.upkeep.clock())
        denied = configuration.denies(_text(request, "alias"))
        return {"denied": denied, "as_of": configuration.as_of.isoformat(), "stale": stale}

    def _slot(self, request: Json) -> Json:
        return self._cards().read(_number(request, "slot"))

    def _commit(self, request: Json) -> Json:
        kind = KINDS.get(_text(request, "kind"))
        if kind is None:
            raise ValueError("kind")
        order = OfflineOrder(
            key=_text(request, "key"),
            service=_number(request, "slot"),
            kind=kind,
            card=bytes.fromhex(_text(request, "card")),
            total=_number(request, "total"),
            amount=_number(request, "amount"),
            at=self.upkeep.clock(),
            period=None if request.get("period") is None else _number(request, "period"),
        )
        return self._cards().commit(order)

    def _cards(self) -> OfflineCardDesk:
        if self.cards is None:
            raise AgentError("card_keys_unknown", 409)
        return self.cards

    def _insert(self, request: Json) -> Json:
        if self.tray is None:
            raise AgentError("no_tray", 409)
        card = request.get("card")
        self.tray.insert(card if isinstance(card, str) else None)
        return {"inserted": self.tray.inserted}

    def _tap(self, request: Json) -> Json:
        language = request.pop("language", None)
        body = parse(TapBody, json.dumps(request).encode())
        return self.desk.tap(body, language if isinstance(language, str) else None)


def serve_lines(desk: HeadlessDesk, lines: Iterable[str], write: Callable[[str], None]) -> None:
    """Answer line by line until the other side closes."""
    for line in lines:
        if line.strip():
            write(desk.answer(line) + "\n")


class LocalSocket:
    """A Unix socket (mode 0600) on which several programs of the same user may ask."""

    def __init__(self, path: Path, desk: HeadlessDesk) -> None:
        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                def write(text: str) -> None:
                    self.wfile.write(text.encode())
                    self.wfile.flush()

                with suppress(ConnectionError):
                    serve_lines(desk, _decoded(self.rfile), write)

        self._path = path
        path.unlink(missing_ok=True)
        self._server = socketserver.ThreadingUnixStreamServer(str(path), Connection)
        self._server.daemon_threads = True
        path.chmod(PRIVATE_FILE)
        self._thread = threading.Thread(target=self._server.serve_forever, name="local-socket", daemon=True)

    def start(self) -> None:
        """Answer in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and remove the socket."""
        self._server.shutdown()
        self._server.server_close()
        self._path.unlink(missing_ok=True)


def _decoded(stream: IO[bytes] | BufferedIOBase) -> Iterable[str]:
    while line := stream.readline(MAX_LINE):
        yield line.decode("utf-8", "replace")


def _request(line: str) -> Json:
    if len(line) > MAX_LINE:
        raise ValueError("too long")
    request = json.loads(line)
    if not isinstance(request, dict):
        raise ValueError("no object")  # noqa: TRY004 - a malformed request is a value error
    return request


def _text(request: Json, name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(name)
    return value


def _number(request: Json, name: str) -> int:
    value = request.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(name)
    return value


def _object(request: Json, name: str) -> Json:
    value = request.get(name)
    if not isinstance(value, dict):
        raise ValueError(name)  # noqa: TRY004 - a malformed request is a value error whatever is wrong with it
    return value
