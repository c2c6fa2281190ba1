"""`mykey doctor`: each thing that can be wrong is made wrong once, and is found, worded and told by the exit status."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509
from sqlalchemy import insert, text, update

from mykey_core.audit.checkpoints import make_checkpoint
from mykey_core.audit.keeper import signer_of
from mykey_core.audit.records import append
from mykey_core.audit.sealer import Sealer
from mykey_core.diagnosis import before
from mykey_core.diagnosis.cli import doctor
from mykey_core.diagnosis.findings import Finding, catalogue
from mykey_core.diagnosis.running import check_hub, is_ready
from mykey_core.hub import Hub, open_hub
from mykey_core.outbox.events import emit
from mykey_core.plugins.guard import FAILURES_TO_OPEN
from mykey_core.settings import load_settings
from mykey_core.storage.tables import outbox, terminal
from mykey_core.trust.cli import trust
from mykey_web.demo.processes import free_port
from mykey_web.demo.town import MUNICIPALITY, SERVICE_POINT, Town, make_town, publish_crls

_SOURCES = Path(__file__).parents[1] / "mykey_core" / "diagnosis"
_NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A town in which all is well; tests work on copies of its folder."""
    folder = tmp_path_factory.mktemp("healthy")
    town = make_town(folder, "http://127.0.0.1:8000", datetime.now(UTC), fill=lambda _: None)
    updated(town)
    return folder


@pytest.fixture
def town(healthy: Path, tmp_path: Path) -> Town:
    """A copy of it."""
    shutil.copytree(healthy, tmp_path / "town")
    return Town(tmp_path / "town", "http://127.0.0.1:8000")


def updated(town: Town) -> None:
    result = CliRunner().invoke(trust, ["update", "--config", str(town.config)])
    assert result.exit_code == 0, result.output


def told(town: Town, language: str = "en") -> tuple[int, dict[str, str]]:
    """The exit status, and `check.code` → words of everything that the doctor says."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return told_of(town, listening.getsockname()[1], language)


def told_of(town: Town, port: int, language: str = "en") -> tuple[int, dict[str, str]]:
    arguments = ["--config", str(town.config), "--json", "--language", language, "--port", str(port)]
    result = CliRunner().invoke(doctor, arguments)
    return result.exit_code, {f"{one['check']}.{one['code']}": one["text"] for one in json.loads(result.output)}


def in_hub(work: Callable[[Hub], None]) -> Callable[[Town], None]:
    def apply(town: Town) -> None:
        hub = open_hub(load_settings(town.config))
        work(hub)
        hub.close()

    return apply


def replaced(name: str, old: str, new: str) -> Callable[[Town], None]:
    def apply(town: Town) -> None:
        path = town.config.with_name(name)
        words = path.read_text(encoding="utf-8")
        assert old in words
        path.write_text(words.replace(old, new, 1), encoding="utf-8")

    return apply


def more_plugins(table: str) -> Callable[[Town], None]:
    return replaced("plugins.toml", "[plugins.library]", f"{table}[plugins.library]")


def gone(name: str) -> Callable[[Town], None]:
    return lambda town: town.config.with_name(name).unlink()


def open_to_all(name: str) -> Callable[[Town], None]:
    return lambda town: town.config.with_name(name).chmod(0o644)


def sealed_without_checkpoint(hub: Hub) -> None:
    Sealer(hub.database, MUNICIPALITY).seal(sweep=True)


def sealed_after_an_old_checkpoint(hub: Hub) -> None:
    sealed_without_checkpoint(hub)
    make_checkpoint(hub.database, MUNICIPALITY, signer_of(hub.settings), _NOW - timedelta(hours=4))
    with hub.database.writing() as session:
        append(session, MUNICIPALITY, _NOW, "municipality.created", {})
    sealed_without_checkpoint(hub)


def one_silent_terminal(hub: Hub) -> None:
    values = {"municipality": MUNICIPALITY, "service_point": SERVICE_POINT, "name": "desk", "version": "1"}
    values |= {"public_key": {}, "state": "active", "enrolled_at": _NOW - timedelta(hours=1)}  # type: ignore[dict-item]
    import uuid

    with hub.database.writing() as session:
        session.execute(insert(terminal).values(id=uuid.uuid4(), **values))


def waiting(**values: Any) -> Callable[[Hub], None]:
    def work(hub: Hub) -> None:
        with hub.database.writing() as session:
            emit(session, MUNICIPALITY, _NOW, "core.test", subscribers=["library"], facts={})
            session.execute(update(outbox).where(outbox.c.municipality == MUNICIPALITY).values(**values))

    return work


def lists_from(age: timedelta, budget: str = "") -> Callable[[Town], None]:
    def apply(town: Town) -> None:
        shutil.rmtree(town.config.with_name("revocation"))
        publish_crls(town, _NOW - age)
        updated_anyway(town)
        if budget:
            with town.config.open("a", encoding="utf-8") as config:
                config.write(f"\n[revocation.budget.{MUNICIPALITY}]\n{budget}\n")

    return apply


def updated_anyway(town: Town) -> None:
    CliRunner().invoke(trust, ["update", "--config", str(town.config)])


def no_lists(town: Town) -> None:
    shutil.rmtree(town.config.with_name("revocation"))
    for path in town.config.with_name("crl").iterdir():
        path.unlink()


def old_tables(town: Town) -> None:
    def work(hub: Hub) -> None:
        with hub.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    in_hub(work)(town)


def no_table(name: str) -> Callable[[Town], None]:
    def work(hub: Hub) -> None:
        with hub.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {name} RENAME TO {name}_gone"))

    return in_hub(work)


BROKEN: dict[str, tuple[int, Callable[[Town], None]]] = {
    "settings.missing": (2, replaced("hub.toml", "origin", "orgin")),
    "settings.unknown": (2, replaced("hub.toml", "show_evidence", "show_evidense")),
    "settings.no_file": (2, gone("hub.toml")),
    "settings.invalid": (2, replaced("hub.toml", "[trust]", "[trust")),
    "revocation.foreign": (1, replaced("hub.toml", 'anchors = ["ca/authentication-1.pem", ', "anchors = [")),
    "keys.missing": (2, gone("keys.json")),
    "keys.readable": (2, open_to_all("audit-key.pem")),
    "plugins_file.invalid": (2, replaced("plugins.toml", "enabled", "enabledd")),
    "authorities.unreadable": (2, lambda town: next((town.config.parent / "ca").iterdir()).write_text("x") and None),
    "residents.unknown": (2, replaced("hub.toml", "resident_distribution_points", "# none")),
    "hub.does_not_open": (2, replaced("hub.toml", "[trust]", 'database_url = "sqlite:////nowhere/hub"\n[trust]')),
    "migrations.behind": (2, old_tables),
    "audit.no_checkpoint": (1, in_hub(sealed_without_checkpoint)),
    "audit.old_checkpoint": (1, in_hub(sealed_after_an_old_checkpoint)),
    "audit.broken": (2, no_table("audit_leaf")),
    "revocation.none": (2, no_lists),
    "revocation.closed": (2, lists_from(timedelta(days=3))),
    "revocation.grace": (1, lists_from(timedelta(days=3), 'low = "P7D"')),
    "revocation.ends_soon": (1, lists_from(timedelta(hours=45))),
    "plugins.inactive": (1, replaced("plugins.toml", '"tap"', "")),
    "plugins.not_installed": (1, more_plugins("[plugins.ghost]\nenabled = true\n")),
    "terminals.silent": (1, in_hub(one_silent_terminal)),
    "terminals.broken": (2, no_table("terminal_report")),
    "outbox.given_up": (1, in_hub(waiting(due_at=None))),
    "outbox.late": (1, in_hub(waiting(created_at=_NOW - timedelta(minutes=11)))),
    "outbox.broken": (2, no_table("outbox")),
}  # fmt: skip


def test_a_healthy_town(town: Town) -> None:
    """Nothing is wrong but what this machine lacks: a clock may be unknown."""
    status, words = told(town)
    assert status in {0, 1}
    assert {key for key in words if not key.endswith(".ok")} <= {
        "clock.unknown",
        "clock.not_synchronised",
        "plugins.degraded",  # a library without books
    }
    assert len(words) >= 13


def test_a_hub_that_is_stopped(town: Town) -> None:
    """Where nobody listens nobody is served: it does not work, and the words say how to start it."""
    status, words = told_of(town, free_port(), "ja")
    assert status == 2
    assert "mykey serve" in words["port.nobody"]


@pytest.mark.parametrize("key", BROKEN)
def test_what_is_broken_is_found_and_worded(town: Town, key: str) -> None:
    """In English and Japanese, with what to do; the exit status says how bad it is."""
    least, damage = BROKEN[key]
    damage(town)
    status, words = told(town)
    assert key in words, words
    assert status >= least
    assert not words[key].startswith("check.")
    assert re.search("[ぁ-ん一-龥]", told(town, "ja")[1][key])


def test_the_environment(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that nothing reads is told; a setting, a plugin's secret and somebody else's are not."""
    monkeypatch.setenv("MYKEY_ORIGNI", "x")
    monkeypatch.setenv("MYKEY_LIBRARY_SIP2_PASSWORD", "canary")
    monkeypatch.setenv("MYKEY_SESSIONS__PROXIES", "1")
    status, words = told(town)
    assert status == 1
    assert "MYKEY_ORIGNI" in words["environment.unknown"]
    assert "canary" not in json.dumps(words)


def test_a_resting_plugin(town: Town) -> None:
    """A hook that fails again and again; and one breaking inside the running process only."""
    hub = open_hub(load_settings(town.config))
    guard = hub.plugins.plugins["library"].guard
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(ZeroDivisionError), guard.watching("mykey_tap"):
            raise ZeroDivisionError
    assert "plugins.suspended" in codes(check_hub(hub))
    hub.close()


@pytest.mark.parametrize(("answer", "code"), [("yes", "ok"), ("no", "not_synchronised"), ("?", "unknown")])
def test_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: str) -> None:
    """As systemd's timedatectl says; a machine without it is told so."""
    program = tmp_path / "timedatectl"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert codes(before.clock()) == {f"clock.{code}"}
    monkeypatch.setenv("PATH", "/nonexistent")
    assert codes(before.clock()) == {"clock.unknown"}


@pytest.mark.parametrize(("free", "code"), [(100 << 20, "full"), (1 << 30, "little"), (9 << 30, "ok")])
def test_the_disk(town: Town, monkeypatch: pytest.MonkeyPatch, free: int, code: str) -> None:
    """By what is free where the database stands."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10 << 30, 0, free))  # type: ignore[attr-defined]
    assert codes(before.disk(load_settings(town.config))) == {f"disk.{code}"}


def test_a_ca_certificate_that_ends(town: Town) -> None:
    """Told three months ahead."""
    settings = load_settings(town.config)
    ends = x509.load_pem_x509_certificate(settings.trust.authentication_ca[-1].read_bytes()).not_valid_after_utc
    assert "authorities.ends" in codes(before.authorities(settings, ends - timedelta(days=10)))


def test_readiness_is_about_taps(town: Town) -> None:
    """Tables of another version and missing lists take a process out; a silent terminal does not."""
    in_hub(one_silent_terminal)(town)
    hub = open_hub(load_settings(town.config))
    assert is_ready(hub) == []
    old_tables(town)
    assert codes(is_ready(hub)) == {"migrations.behind"}
    no_lists(town)
    assert codes(is_ready(hub)) == {"migrations.behind", "revocation.none"}
    hub.close()


def test_every_finding_has_words() -> None:
    """What the code can say is worded in every language, and nothing else is."""
    made: set[str] = set()
    for path in _SOURCES.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        made |= {f"{check}.{code}" for check, code in re.findall(r'(?:warning|failed)\("(\w+)", "(\w+)"', source)}
        made |= {f"{check}.ok" for check in re.findall(r'\bok\("(\w+)"', source)}
    made |= {
        f"plugins.{state}" for state in ("inactive", "quarantined", "not_installed", "suspended", "degraded", "failed")
    }
    made |= {
        f"{check}.broken"
        for check in ("database", "migrations", "audit", "revocation", "plugins", "terminals", "outbox")
    }
    made |= {"clock.not_synchronised", "clock.unknown"}
    words = catalogue()
    wanted = {f"check.{key}" for key in made} | {f"check.{key.partition('.')[0]}" for key in made}
    for language in ("ja", "en", "ja-Hira"):
        assert set(words.texts[language]) == wanted, language


def codes(findings: Any) -> set[str]:
    """Every finding as `check.code`."""
    found: list[Finding] = list(findings)
    return {f"{one.check}.{one.code}" for one in found}
