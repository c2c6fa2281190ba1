"""`python -m mykey_testkit.jpki_service`: the test JPKI as a process, for tests that want a real one.

It prints one line of JSON with its address when it listens, and ends with its standard input or a signal.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, date, datetime
from threading import Thread

from mykey_testkit.jpki.book import Book
from mykey_testkit.jpki.service import State, make_server


def main(arguments: list[str] | None = None) -> int:
    """Serve until standard input ends."""
    options = _parser().parse_args(arguments)
    now: datetime | None = options.at
    today: date = (now or datetime.now(UTC)).date()
    server = make_server(State(Book(today), fixed_now=now), options.port)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)  # noqa: T201 - its output
    try:
        sys.stdin.buffer.read()
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()
        server.server_close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mykey_testkit.jpki_service", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--at", type=_instant, default=None, help="a fixed clock, ISO 8601 with offset")
    return parser


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("add Z or an offset")
    return moment.astimezone(UTC)


if __name__ == "__main__":
    sys.exit(main())
