"""The SIP2 server: sockets, TLS, time-outs, and one thread pool in which the library works.

The state of a connection stands in `session`, what messages do in `service`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from mykey_library.sip2.errors import ConfigurationError, MessageTooLong
from mykey_library.sip2.framing import RESEND_BY_SERVER, Framer
from mykey_library.sip2.passwords import Passwords
from mykey_library.sip2.service import Service
from mykey_library.sip2.session import Reply, ServerSession
from mykey_library.sip2.settings import ServerSettings, Tls

_CHUNK: Final = 4096
_WORKERS: Final = 8
_FAILED_LOGIN_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


def server_tls(settings: Tls) -> ssl.SSLContext:
    """The TLS context of a certificate and its key; `ConfigurationError` when they cannot be read."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"tls: {settings.certificate} and {settings.key} cannot be used ({error})") from None
    return context


class _Connection:
    """One machine that is connected. `ended` is set when a newer login has taken its place."""

    def __init__(self, session: ServerSession, writer: asyncio.StreamWriter) -> None:
        self.session = session
        self.writer = writer
        self.ended = False

    def end(self) -> None:
        self.ended = True
        self.writer.transport.abort()


class Sip2Server:
    """Serves self-check machines until `close`. Construct and use it within one event loop."""

    def __init__(self, settings: ServerSettings, service: Service, *, passwords: Passwords | None = None) -> None:
        self._settings = settings
        self._service = service
        self._passwords = passwords or Passwords(settings.accounts)
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="sip2")
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_at_a_time: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses when it is given as 0."""
        tls = server_tls(self._settings.tls) if self._settings.tls else None
        self._server = await asyncio.start_server(self._accept, host, port, ssl=tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening, end every connection, and wait for what is being carried out."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.end()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._pool.shutdown()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self._settings.connections:
            _log.warning("refused a connection: %d are open", len(self._connections))
            writer.transport.abort()
            return
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        session = ServerSession(
            authenticate=self._passwords.account,
            desk=self._service,
            status_before_login=self._service.status if self._settings.status_before_login else None,
        )
        await self._serve(_Connection(session, writer), reader)

    async def _serve(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        self._connections.add(connection)
        try:
            await self._converse(connection, reader)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the machine went away, or was idle for too long
        except Exception as error:  # noqa: BLE001 - a fault ends its connection only; its text may hold numbers
            _log.error("a connection ended by a fault: %s", _kind(error))
        finally:
            self._connections.discard(connection)
            connection.writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(connection.writer.wait_closed(), 5)

    async def _converse(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        framer = Framer(self._settings.message_limit)
        while data := await asyncio.wait_for(reader.read(_CHUNK), self._patience(connection)):
            try:
                frames = framer.feed(data)
            except MessageTooLong:
                await self._send(connection, Reply(RESEND_BY_SERVER + b"\r"))
                return
            for frame in frames:
                reply = await self._carry_out(connection, frame)
                await self._send(connection, reply)
                if reply.close or connection.ended:
                    return

    def _patience(self, connection: _Connection) -> float:
        return self._settings.idle_seconds if connection.session.account else self._settings.login_seconds

    async def _carry_out(self, connection: _Connection, frame: bytes) -> Reply:
        """Let the library work. One account does one thing at a time: after a new login nothing old goes on."""
        account = connection.session.account
        if account is None:
            return await self._log_in(connection, frame)
        async with self._one_at_a_time[account.user]:
            if connection.ended:
                return Reply(close=True)
            return await self._in_thread(lambda: connection.session.receive(frame))

    async def _log_in(self, connection: _Connection, frame: bytes) -> Reply:
        reply = await self._in_thread(lambda: connection.session.receive(frame))
        account = connection.session.account
        if account is None:
            if reply.close:
                await asyncio.sleep(_FAILED_LOGIN_SECONDS)
            return reply
        _log.info("logged in: %s", account.user)
        if account.exclusive:
            for other in self._connections - {connection}:
                if other.session.account is not None and other.session.account.user == account.user:
                    other.end()
        async with self._one_at_a_time[account.user]:  # what the earlier connection began is finished now
            return reply

    async def _in_thread(self, work: Callable[[], Reply]) -> Reply:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def _send(self, connection: _Connection, reply: Reply) -> None:
        if reply.data and not connection.ended:
            connection.writer.write(reply.data)
            await asyncio.wait_for(connection.writer.drain(), self._settings.login_seconds)


def _kind(error: Exception) -> str:
    """The class of a fault and where it happened, without its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} at {place}"
