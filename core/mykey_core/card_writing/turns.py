"""Turns of a writing that reached another process than the one in which it lives: passed on through the database.

What the card said is sealed with a key that only processes of this hub can make, and is gone within seconds. Without
such requests nothing is written but the lease of each writing.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, insert, select, update
from uuid_utils.compat import uuid7

from mykey_core.card_writing.errors import WritingCode, WritingRefused
from mykey_core.card_writing.live import WritingView
from mykey_core.card_writing.tables import card_turn, card_writing
from mykey_core.clock import Clock
from mykey_core.errors import StorageUnavailable
from mykey_core.keys.provider import KeyProvider, Purpose
from mykey_core.storage.database import Database

_SEAL: Final = b"mykey card turn v1\x00"
_NONCE: Final = 12
_LOOK_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 8.0  # below the terminal's own ten
_STALE: Final = timedelta(minutes=1)
_log = logging.getLogger(__name__)
Answer = Callable[[UUID, int, tuple[bytes, ...], bool], WritingView]


class TurnBox:
    """The box of one process. `answer` is set by the counter; a thread looks into the box while writings are open."""

    answer: Answer

    def __init__(self, database: Database, municipality: str, clock: Clock, keys: KeyProvider) -> None:
        self.process: UUID = uuid7()
        self._database = database
        self._municipality = municipality
        self._clock = clock
        self._keys = keys
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    # -- asking another process --------------------------------------------------------------------------------

    def ask(
        self, process: UUID, writing: UUID, sequence: int, responses: tuple[bytes, ...], *, card_gone: bool
    ) -> WritingView:
        """Pass a turn on to `process` and wait for its answer; `writing_ended` when it gives none in time."""
        question = {"sequence": sequence, "responses": [part.hex() for part in responses], "card_gone": card_gone}
        request: UUID = uuid7()
        values = {"writing_id": writing, "request_id": request, "process": process, "created_at": self._clock()}
        sealed = self._seal(writing, b"?", question)
        with self._database.writing() as session:
            session.execute(insert(card_turn).values(municipality=self._municipality, request=sealed, **values))
        until = time.monotonic() + _PATIENCE_SECONDS
        try:
            while time.monotonic() < until:
                time.sleep(_LOOK_SECONDS)
                with self._database.reading() as session:
                    reply = session.execute(select(card_turn.c.reply).where(*self._one(writing, request))).scalar()
                if reply is not None:
                    return _view(writing, self._open(writing, b"!", bytes(reply)))
        finally:
            with self._database.writing() as session:
                session.execute(delete(card_turn).where(*self._one(writing, request)))
        raise WritingRefused(WritingCode.WRITING_ENDED, "its process does not answer")

    # -- answering ---------------------------------------------------------------------------------------------

    def watch(self, open_ones: Callable[[], tuple[UUID, ...]], lease: timedelta) -> None:
        """Look into the box, and renew the leases of the open writings, until there are none any more."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, args=(open_ones, lease), name="turns", daemon=True)
                self._thread.start()

    def _look(self, open_ones: Callable[[], tuple[UUID, ...]], lease: timedelta) -> None:
        renewed = time.monotonic() - lease.total_seconds() / 2
        while True:
            with self._lock:
                writings = open_ones()
                if not writings:
                    self._thread = None
                    return
            try:
                if time.monotonic() - renewed > lease.total_seconds() / 3:
                    self._renew(writings, lease)
                    renewed = time.monotonic()
                self._answer_all()
            except StorageUnavailable:
                if time.monotonic() - renewed > lease.total_seconds():  # whoever asks is told that they have ended
                    _log.warning("the database does not answer: the leases of card writings have run out")
                    return
            time.sleep(_LOOK_SECONDS)

    def _renew(self, writings: tuple[UUID, ...], lease: timedelta) -> None:
        now = self._clock()
        own, turns = card_writing.c, card_turn.c
        with self._database.writing() as session:
            where = (own.municipality == self._municipality, own.id.in_(writings), own.process == self.process)
            session.execute(update(card_writing).where(*where).values(lease_until=now + lease))
            stale = (turns.municipality == self._municipality, turns.created_at < now - _STALE)
            session.execute(delete(card_turn).where(*stale))

    def _answer_all(self) -> None:
        turns = card_turn.c
        mine = (turns.municipality == self._municipality, turns.process == self.process, turns.reply.is_(None))
        wanted = select(turns.writing_id, turns.request_id, turns.request).where(*mine).order_by(turns.request_id)
        with self._database.reading() as session:
            rows = session.execute(wanted).all()
        for row in rows:
            reply = self._seal(row.writing_id, b"!", self._answered(row.writing_id, bytes(row.request)))
            with self._database.writing() as session:
                where = self._one(row.writing_id, row.request_id)
                session.execute(update(card_turn).where(*where).values(reply=reply))

    def _answered(self, writing: UUID, sealed: bytes) -> dict[str, Any]:
        try:
            turn = self._open(writing, b"?", sealed)
            responses = tuple(map(bytes.fromhex, turn["responses"]))
            view = self.answer(writing, turn["sequence"], responses, turn["card_gone"])
        except WritingRefused as refusal:
            return {"refused": refusal.code}
        document = asdict(view) | {"id": "", "commands": [command.hex() for command in view.commands]}
        return {"view": document}

    # -- sealing -----------------------------------------------------------------------------------------------

    def _seal(self, writing: UUID, direction: bytes, document: dict[str, Any]) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._key(writing)).encrypt(nonce, json.dumps(document).encode(), direction)

    def _open(self, writing: UUID, direction: bytes, sealed: bytes) -> dict[str, Any]:
        try:
            plain = AESGCM(self._key(writing)).decrypt(sealed[:_NONCE], sealed[_NONCE:], direction)
        except (InvalidTag, ValueError):  # ValueError: too short to have been sealed at all
            raise WritingRefused(WritingCode.WRITING_ENDED, "a turn that was not sealed here") from None
        document: dict[str, Any] = json.loads(plain)
        return document

    def _key(self, writing: UUID) -> bytes:
        """Of one writing: a keyed hash under the oldest key of references, which all processes have."""
        first = self._keys.epochs(Purpose.CREDENTIAL)[0]
        return self._keys.mac(Purpose.CREDENTIAL, first, _SEAL + writing.bytes)

    def _one(self, writing: UUID, request: UUID) -> tuple[Any, ...]:
        turns = card_turn.c
        return turns.municipality == self._municipality, turns.writing_id == writing, turns.request_id == request


def _view(writing: UUID, answer: dict[str, Any]) -> WritingView:
    if "refused" in answer:
        raise WritingRefused(WritingCode(answer["refused"]))
    fields = dict(answer["view"])
    fields |= {"id": writing, "commands": tuple(map(bytes.fromhex, fields["commands"])), "plan": tuple(fields["plan"])}
    return WritingView(**fields)
