"""Sources that fail: the old knowledge stays, the chain goes on, and 'revoked' is final (REV-01, §7 resilience).

HTTP is asked of the test JPKI's process; chains and circuit breakers run on sources of the test.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mykey_core.trust.errors import RevocationUnavailable
from mykey_core.trust.revocation import chain as chain_module
from mykey_core.trust.revocation import fetch
from mykey_core.trust.revocation.answers import SnapshotSource
from mykey_core.trust.revocation.breaker import BreakerSettings, CircuitBreaker
from mykey_core.trust.revocation.chain import DirectoryMemory, FallbackChain, NamedSource, ProcessMemory
from mykey_core.trust.revocation.crl import verify_crl
from mykey_core.trust.revocation.crl_http import CrlUpdater, FetchStates
from mykey_core.trust.revocation.fetch import Fetcher, FetchError, Limits
from mykey_core.trust.revocation.ocsp_source import OcspSettings, OcspSource
from mykey_core.trust.revocation.sources import Attempt, RevocationUnknown, SourcesExhausted
from mykey_core.trust.revocation.store import DirectoryStore
from mykey_core.trust.types import RevocationAnswer, RevocationMode, RevocationState, ValidatedCertificate
from mykey_testkit.jpki.book import Partition
from mykey_testkit.jpki.client import JpkiService
from mykey_testkit.jpki.faults import Fault
from mykey_testkit.revocation import HOUR, KIND, MOMENT, OTHER_TOWN, TOWN, card, issuers, make_crl

HOME = Partition(KIND, 3, TOWN)
GOOD, REVOKED, HELD = RevocationState.GOOD, RevocationState.REVOKED, RevocationState.HELD
DOWN, UNKNOWN = RevocationUnavailable("down"), RevocationUnknown("ocsp_unknown")
Says = RevocationState | RevocationUnavailable


@dataclass
class Scripted:
    """A source that answers from a script, one line a question; the last line stays."""

    script: list[Says]
    graced: Says | None = None
    asked: int = 0
    graces: list[timedelta] = field(default_factory=list)

    def check(self, certificate: ValidatedCertificate, now: datetime) -> RevocationAnswer:  # noqa: ARG002 - interface
        """Say the next line."""
        self.asked += 1
        return self._say(self.script.pop(0) if len(self.script) > 1 else self.script[0], now, RevocationMode.FRESH)

    def check_within(
        self,
        certificate: ValidatedCertificate,  # noqa: ARG002 - interface
        now: datetime,
        grace: timedelta,
    ) -> RevocationAnswer:
        """Say what old data says."""
        self.graces.append(grace)
        return self._say(self.graced or DOWN, now, RevocationMode.GRACE)

    def _say(self, line: Says, now: datetime, mode: RevocationMode) -> RevocationAnswer:
        if isinstance(line, RevocationUnavailable):
            raise line
        return RevocationAnswer(line, "scripted", now, None, mode=mode)


def chain(*sources: Scripted, unknown_falls_back: bool = False) -> FallbackChain:
    """A chain of scripted sources named a, b, c."""
    named = [NamedSource(name, source) for name, source in zip("abc", sources, strict=False)]
    return FallbackChain(named, unknown_falls_back=unknown_falls_back)


def ask(found: FallbackChain) -> RevocationState:
    """Ask a chain about the adult's card."""
    return found.check(card(), MOMENT).state


@pytest.mark.parametrize("state", [GOOD, REVOKED, HELD])
def test_a_definite_answer_asks_nobody_else(state: RevocationState) -> None:
    """Good → no fallback; revoked → no fallback; held → no fallback."""
    first, second = Scripted([state]), Scripted([GOOD])
    assert ask(chain(first, second)) is state
    assert second.asked == 0


def test_fallback_and_recovery() -> None:
    """A source that is down is bridged by the next, and asked again the next time."""
    first, second = Scripted([DOWN, GOOD]), Scripted([GOOD])
    found = chain(first, second)
    assert ask(found) is GOOD
    assert ask(found) is GOOD
    assert (first.asked, second.asked) == (2, 1)


def test_unknown_is_final_unless_configured_otherwise() -> None:
    """Unknown → no fallback; unknown + configured → fallback; both unknown → refused."""
    second = Scripted([GOOD])
    with pytest.raises(RevocationUnknown):
        ask(chain(Scripted([UNKNOWN]), second))
    assert second.asked == 0
    assert ask(chain(Scripted([UNKNOWN]), second, unknown_falls_back=True)) is GOOD
    with pytest.raises(SourcesExhausted):
        ask(chain(Scripted([UNKNOWN]), Scripted([UNKNOWN]), unknown_falls_back=True))


def test_rev_01_revoked_by_the_first_fallback_is_not_overruled_by_the_second() -> None:
    """REV-01: first fallback revoked → no second fallback, whose 'good' would win otherwise."""
    last = Scripted([GOOD])
    assert ask(chain(Scripted([DOWN]), Scripted([REVOKED]), last)) is REVOKED
    assert last.asked == 0


@pytest.mark.parametrize("state", [REVOKED, HELD])
def test_rev_01_revoked_today_is_not_good_by_yesterdays_source(
    state: RevocationState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REV-01 over time: once revoked, an older source cannot call the card good, in any worker, after any restart."""
    memory = DirectoryMemory(tmp_path)

    def worker(*script: Says) -> FallbackChain:
        sources = [NamedSource("ocsp", Scripted(list(script))), NamedSource("crl", Scripted([GOOD]))]
        return FallbackChain(sources, memory=memory)

    assert ask(worker(state)) is state
    assert ask(worker(DOWN)) is state
    assert worker(DOWN).check(card(), MOMENT).source == "remembered:scripted"
    assert FallbackChain([NamedSource("crl", Scripted([GOOD]))]).check(card("renewed"), MOMENT).state is GOOD
    monkeypatch.setattr(DirectoryMemory, "recall", lambda *_arguments: None)
    assert ask(worker(DOWN)) is GOOD


def test_a_damaged_memory_refuses(tmp_path: Path) -> None:
    """A remembered revocation that cannot be read is no permission."""
    (tmp_path / f"{card().fingerprint.hex()}.json").write_text("{")
    found = FallbackChain([NamedSource("a", Scripted([GOOD]))], memory=DirectoryMemory(tmp_path))
    with pytest.raises(RevocationUnavailable, match="revoked_memory_unreadable"):
        ask(found)


def test_both_down_and_none_configured_refuse_with_the_evidence() -> None:
    """Both down throws; no source throws; every attempt is in the error."""
    with pytest.raises(SourcesExhausted) as caught:
        ask(chain(Scripted([DOWN]), Scripted([DOWN])))
    assert caught.value.attempts == (Attempt("a", "down"), Attempt("b", "down"))
    with pytest.raises(SourcesExhausted, match="no source is configured"):
        ask(chain())


def test_several_calls_do_not_change_earlier_results() -> None:
    """The evidence of one login is not touched by the next."""
    found = chain(Scripted([DOWN]))
    errors = []
    for _ in range(3):
        with pytest.raises(SourcesExhausted) as caught:
            ask(found)
        errors.append(caught.value.attempts)
    assert errors == [(Attempt("a", "down"),)] * 3


def test_old_data_is_used_only_after_everybody_failed_and_only_with_a_budget() -> None:
    """GRACE: first every source fresh, then those with old data; without a budget nobody is asked for old data."""
    old, fresh = Scripted([DOWN], graced=GOOD), Scripted([GOOD])
    assert chain(old, fresh).check_within(card(), MOMENT, HOUR).mode is RevocationMode.FRESH
    assert chain(old, Scripted([DOWN])).check_within(card(), MOMENT, HOUR).mode is RevocationMode.GRACE
    assert old.graces == [HOUR]
    with pytest.raises(SourcesExhausted):
        chain(old).check(card(), MOMENT)
    assert old.graces == [HOUR]


@dataclass
class Ticking:
    """A monotonic clock that the test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        """The present second."""
        return self.now


def test_the_circuit_opens_after_failures_and_lets_one_trial_through() -> None:
    """Closed → open after n failures → one trial after the pause → closed by success, open again by failure."""
    clock = Ticking()
    breaker = CircuitBreaker(BreakerSettings(failures=2, pause=timedelta(seconds=30)), monotonic=clock)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    clock.now = 30.0
    assert [breaker.allows(), breaker.allows()] == [True, False]
    breaker.failed()
    assert not breaker.allows()
    clock.now = 60.0
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.allows()


def ocsp_source(url: str, *, attempts: int = 2, failures: int = 2, clock: Ticking | None = None) -> OcspSource:
    """A source over HTTP with a small deadline."""
    breaker = CircuitBreaker(BreakerSettings(failures=failures), monotonic=clock or Ticking())
    fetcher = Fetcher(Limits(deadline=timedelta(seconds=2), step=timedelta(seconds=2)))
    return OcspSource(OcspSettings(url=url, attempts=attempts), fetcher=fetcher, breaker=breaker)


def test_retry_succeeds_without_fallback(jpki_service: JpkiService) -> None:
    """Retry succeeds → no fallback."""
    jpki_service.break_with("ocsp", Fault.HTTP_500, times=1)
    second = Scripted([GOOD])
    sources = [NamedSource("ocsp", ocsp_source(jpki_service.ocsp_url(KIND))), NamedSource("b", second)]
    assert ask(FallbackChain(sources)) is GOOD
    assert second.asked == 0


def test_max_attempts_two_on_two_sources_leave_four_pieces_of_evidence(jpki_service: JpkiService) -> None:
    """MaxAttempts2 all fail → 4 pieces of evidence."""
    jpki_service.break_with("ocsp", Fault.OCSP_TRY_LATER)
    sources = [NamedSource(name, ocsp_source(jpki_service.ocsp_url(KIND))) for name in "ab"]
    with pytest.raises(SourcesExhausted) as caught:
        ask(FallbackChain(sources))
    assert [attempt.code for attempt in caught.value.attempts] == ["ocsp_not_successful"] * 4


def test_an_open_circuit_asks_nobody(jpki_service: JpkiService) -> None:
    """After two refused questions the responder is left alone; after the pause it is asked again."""
    clock = Ticking()
    source = ocsp_source(jpki_service.ocsp_url(KIND), attempts=1, clock=clock)
    jpki_service.break_with("ocsp", Fault.HTTP_500, times=2)
    before = jpki_service.requests().get("ocsp", 0)
    for code in ("revocation_unavailable", "revocation_unavailable", "circuit_open", "circuit_open"):
        with pytest.raises(RevocationUnavailable, match=code):
            source.check(card(), MOMENT)
    assert jpki_service.requests()["ocsp"] - before == 2
    clock.now = 31.0
    assert source.check(card(), MOMENT).state is GOOD


def test_revoked_by_a_responder_is_no_failure_of_it(jpki_service: JpkiService) -> None:
    """A revoked card, tapped again and again, does not open the circuit for everybody."""
    source = ocsp_source(jpki_service.ocsp_url(KIND), failures=1)
    for _ in range(3):
        assert source.check(card("revoked"), MOMENT).state is REVOKED


@dataclass(frozen=True)
class Fetching:
    """An updater over one address of the test JPKI, its store, and a source that reads it."""

    updater: CrlUpdater
    store: DirectoryStore
    source: SnapshotSource

    def problem(self, now: datetime = MOMENT) -> str | None:
        """Update once; the code of what went wrong."""
        return self.updater.update(now)[0].problem


@pytest.fixture
def fetching(jpki_service: JpkiService, tmp_path: Path) -> Callable[..., Fetching]:
    """Make a `Fetching`; `seconds` is the whole deadline."""

    def make(*, seconds: float = 5.0, max_bytes: int = 1 << 20, url: str | None = None) -> Fetching:
        store = DirectoryStore(tmp_path)
        limits = Limits(timedelta(seconds=seconds), timedelta(seconds=seconds), max_bytes)
        updater = CrlUpdater(
            [url or jpki_service.crl_url(HOME)],
            issuers=issuers(),
            store=store,
            fetcher=Fetcher(limits),
            states=FetchStates(tmp_path / "fetched"),
            max_bytes=max_bytes,
        )
        return Fetching(updater, store, SnapshotSource(store, look_again_after=0))

    return make


def test_a_crl_is_fetched_once_and_then_only_asked_after(
    jpki_service: JpkiService, fetching: Callable[..., Fetching], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conditional requests: 304 counts as success, also in a new process; a new CRL is taken."""
    unchanged: list[bool] = []
    real = Fetcher.get

    def get(fetcher: Fetcher, url: str, headers: Mapping[str, str]) -> fetch.Fetched:
        found = real(fetcher, url, headers)
        unchanged.append(found.not_modified)
        return found

    monkeypatch.setattr(Fetcher, "get", get)
    found = fetching()
    assert found.problem() is None
    assert found.source.check(card("revoked"), MOMENT).state is REVOKED
    assert found.source.check(card("held"), MOMENT).state is HELD
    state = fetching().updater.update(MOMENT)[0]
    assert (state.problem, state.succeeded_at) == (None, MOMENT.isoformat())
    tomorrow = MOMENT + timedelta(days=1)
    jpki_service.set_clock(tomorrow)
    assert found.problem(tomorrow) is None
    assert found.source.check(card(), tomorrow).this_update > MOMENT
    assert unchanged == [False, True, False]


CRL_FAULTS = {
    Fault.CRL_STALE: "crl_stale",
    Fault.CRL_FROM_TOMORROW: "crl_not_yet_valid",
    Fault.CRL_ROLLBACK: "crl_rollback",
    Fault.CRL_FORGED: "crl_signature",
    Fault.CRL_TRUNCATED: "crl_malformed",
    Fault.CRL_NO_NEXT_UPDATE: "crl_no_next_update",
    Fault.CRL_UNKNOWN_CRITICAL: "crl_critical_extension",
    Fault.CRL_INDIRECT: "crl_scope",
    Fault.CRL_ONLY_SOME_REASONS: "crl_scope",
    Fault.CRL_ONLY_CA_CERTIFICATES: "crl_scope",
    Fault.HTTP_SLOW: "http_timeout",
    Fault.HTTP_BYTEWISE: "http_timeout",
    Fault.HTTP_CUT: "http_failed",
    Fault.HTTP_ENDLESS: "http_too_large",
    Fault.HTTP_GZIP_BOMB: "http_too_large",
    Fault.HTTP_500: "http_status",
    Fault.HTTP_404: "http_status",
    Fault.HTTP_REDIRECT: "http_status",
    Fault.HTTP_HTML: "crl_malformed",
}


@pytest.mark.parametrize(("fault", "code"), CRL_FAULTS.items(), ids=[fault.value for fault in CRL_FAULTS])
def test_a_server_that_lies_or_fails_leaves_the_old_snapshot_in_use(
    jpki_service: JpkiService, fetching: Callable[..., Fetching], fault: Fault, code: str
) -> None:
    """Bad input of issue 4: the reason is reported, the old snapshot stays, the next good CRL is taken."""
    found = fetching()
    assert found.problem() is None
    before = found.source.check(card(), MOMENT)
    tomorrow = MOMENT + timedelta(days=1)
    jpki_service.set_clock(tomorrow)
    jpki_service.break_with("crl", fault, seconds=0.1 if fault is Fault.HTTP_BYTEWISE else 3)
    broken = fetching(seconds=0.8 if fault in {Fault.HTTP_SLOW, Fault.HTTP_BYTEWISE} else 5)
    assert broken.problem(tomorrow) == code
    assert broken.source.check(card(), MOMENT) == before
    jpki_service.heal()
    assert broken.problem(tomorrow) is None
    assert broken.source.check(card(), tomorrow).source != before.source


def test_a_gzip_bomb_is_never_unpacked_beyond_the_limit(
    jpki_service: JpkiService, fetching: Callable[..., Fetching], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only the sum is bounded: no single step makes more than one byte over the limit."""
    made: list[int] = []
    real = fetch._Gzip.take

    def take(unpacker: fetch._Gzip, piece: bytes, limit: int) -> bytes:
        out = real(unpacker, piece, limit)
        made.append(len(out))
        return out

    monkeypatch.setattr(fetch._Gzip, "take", take)
    jpki_service.break_with("crl", Fault.HTTP_GZIP_BOMB)
    assert fetching(max_bytes=2_000_000).problem() == "http_too_large"
    assert sum(made) == 2_000_001


@pytest.mark.parametrize("fault", [Fault.CRL_EMPTY, Fault.CRL_UNSORTED])
def test_empty_and_unsorted_crls_are_taken(
    jpki_service: JpkiService, fetching: Callable[..., Fetching], fault: Fault
) -> None:
    """What is unusual but right is accepted."""
    jpki_service.break_with("crl", fault)
    found = fetching()
    assert found.problem() is None
    assert found.source.check(card(), MOMENT).state is GOOD


def test_a_crl_of_another_town_does_not_become_this_towns(
    jpki_service: JpkiService, fetching: Callable[..., Fetching]
) -> None:
    """It is stored for the town it speaks of; this town's own stays as it was."""
    found = fetching()
    found.problem()
    before = found.source.check(card(), MOMENT)
    jpki_service.set_clock(MOMENT + timedelta(days=1))
    jpki_service.break_with("crl", Fault.CRL_OTHER_TOWN)
    found.problem(MOMENT + timedelta(days=1))
    assert found.source.check(card(), MOMENT) == before
    assert OTHER_TOWN != TOWN


def test_a_town_without_a_crl_is_refused(fetching: Callable[..., Fetching]) -> None:
    """Fail closed: nothing was ever fetched."""
    with pytest.raises(RevocationUnavailable, match="no_crl"):
        fetching().source.check(card(), MOMENT)


def test_validators_of_a_refused_crl_are_not_remembered(
    jpki_service: JpkiService, fetching: Callable[..., Fetching], tmp_path: Path
) -> None:
    """A CRL that was refused is asked for again in full, instead of being 'not modified' for ever."""
    jpki_service.break_with("crl", Fault.CRL_FORGED)
    assert fetching().problem() == "crl_signature"
    states = [json.loads(path.read_bytes()) for path in (tmp_path / "fetched").glob("*.json")]
    assert [(state["etag"], state["last_modified"]) for state in states] == [(None, None)]


@contextmanager
def dripping(data: bytes, pause: float) -> Iterator[str]:
    """A server that sends even its header a byte at a time; the address of it."""
    stop = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)  # closing with the request unread would reset the connection
            for position in range(len(data)):
                if stop.wait(pause):
                    return
                try:
                    connection.send(data[position : position + 1])
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        stop.set()
        thread.join(5)


def test_a_header_byte_by_byte_is_cut_off_at_the_deadline() -> None:
    """Each byte comes in time and the whole never does: the deadline is for the whole exchange."""
    limits = Limits(deadline=timedelta(seconds=0.5), step=timedelta(seconds=5))
    begin = time.monotonic()
    with (
        dripping(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000, 0.05) as url,
        pytest.raises(FetchError, match="http_timeout"),
    ):
        Fetcher(limits).get(url, {})
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ("Content-Encoding: br\r\nContent-Length: 1\r\n", b"x", "http_encoding"),
        ("Content-Encoding: gzip\r\nContent-Length: 3\r\n", b"xyz", "http_encoding"),
        (
            "Content-Encoding: gzip\r\nContent-Length: 10\r\n",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
            "http_encoding",
        ),
        ("Content-Length: 999999999999\r\n", b"", "http_too_large"),
        ("Content-Length: -1\r\n", b"", "http_"),
    ],
    ids=["unknown-encoding", "no-gzip", "gzip-cut", "announced-too-large", "negative-length"],
)
def test_bodies_that_are_not_what_they_say(headers: str, body: bytes, code: str) -> None:
    """Encodings that we do not read, or that are broken, and lengths over the limit."""
    answer = b"HTTP/1.1 200 OK\r\n" + headers.encode() + b"\r\n" + body
    limits = Limits(deadline=timedelta(seconds=5))
    with dripping(answer, 0) as url, pytest.raises(FetchError, match=code):
        Fetcher(limits).get(url, {})


def test_process_memory_keeps_only_what_it_is_given() -> None:
    """The default memory of a chain is empty for everybody else."""
    memory = ProcessMemory()
    answer = RevocationAnswer(REVOKED, "x", MOMENT, None)
    memory.keep(b"a" * 32, answer)
    assert memory.recall(b"a" * 32) is answer
    assert memory.recall(b"b" * 32) is None
    assert timedelta(0) == chain_module.NO_GRACE


def test_a_snapshot_that_was_damaged_leaves_the_one_in_use(tmp_path: Path) -> None:
    """A worker that cannot open the newer snapshot goes on with the one it has."""
    store = DirectoryStore(tmp_path)
    store.publish(verify_crl(make_crl(), issuers()))
    source = SnapshotSource(store, look_again_after=0)
    before = source.check(card(), MOMENT)
    newer = store.publish(verify_crl(make_crl(number=101, this_update=MOMENT), issuers()))
    (tmp_path / "snapshots" / f"{newer.sha256}.snapshot").write_bytes(b"damaged")
    assert source.check(card(), MOMENT) == before
