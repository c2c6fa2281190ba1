"""`mykey doctor`: what is wrong with a hub, in plain words, and what to do about it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from mykey_core.clock import system_clock
from mykey_core.diagnosis import before
from mykey_core.diagnosis.findings import Finding, Level, catalogue, failed, ok
from mykey_core.diagnosis.running import check_hub
from mykey_core.errors import ConfigurationError, MykeyError
from mykey_core.hub import open_hub
from mykey_core.settings import HubSettings, load_settings
from mykey_core.translations import DEFAULT_LANGUAGE, LANGUAGES

_MARKS = {Level.OK: "○", Level.WARNING: "△", Level.FAILED: "×"}


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), default=Path("hub.toml"), show_default=True, help="The hub's settings."
)
@click.option("--language", type=click.Choice(LANGUAGES), help="Else that of LANG.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the hub listens.")
@click.option("--port", type=int, default=8000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(config: Path, language: str | None, host: str, port: int, *, as_json: bool) -> None:
    """Say what is wrong with a hub and what to do: ○ well, △ look at it, × it does not work. Exit status: 0, 1, 2."""
    findings = examine(config, host, port)
    chosen = language or _language()
    if as_json:
        click.echo(json.dumps([_json(one, chosen) for one in findings], ensure_ascii=False, indent=2))
    else:
        for one in findings:
            click.echo(f"{_MARKS[one.level]} {_worded(one, chosen)}")
    levels = {one.level for one in findings}
    raise SystemExit(2 if Level.FAILED in levels else 1 if Level.WARNING in levels else 0)


def examine(config: Path, host: str, port: int) -> list[Finding]:
    """Every finding, from the settings to the running parts; what cannot be looked at yet is left out."""
    try:
        settings = load_settings(config)
    except (ConfigurationError, OSError) as error:
        return [_unusable(config, error)]
    found = [ok("settings", file=config.name), *before.check_files(settings, system_clock()), *before.clock()]
    return [*found, *_opened(settings), *before.port(host, port)]


def _unusable(config: Path, error: ConfigurationError | OSError) -> Finding:
    fault, setting = (error.fault, error.setting) if isinstance(error, ConfigurationError) else ("", "")
    if fault == "no_file":
        return failed("settings", "no_file", file=config.name)
    if fault == "missing":
        return failed("settings", "missing", file=config.name, setting=setting)
    if fault == "unknown":
        return failed("settings", "unknown", file=config.name, setting=setting, reason=str(error))
    return failed("settings", "invalid", file=config.name, reason=str(error))


def _opened(settings: HubSettings) -> list[Finding]:
    try:
        hub = open_hub(settings)
    except MykeyError as error:
        return [failed("hub", "does_not_open", reason=str(error))]
    except Exception as error:  # noqa: BLE001 - whatever it is, the doctor says so and goes on
        return [failed("hub", "does_not_open", reason=type(error).__name__)]
    try:
        return check_hub(hub)
    finally:
        hub.close()


def _language() -> str:
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "en" if locale.startswith("en") else DEFAULT_LANGUAGE


def _worded(finding: Finding, language: str) -> str:
    words = catalogue()
    title = words.get(finding.title.key, language)
    colon = ": " if language == "en" else "："
    return f"{title}{colon}{words.get(finding.text.key, language, finding.text.values)}"


def _json(finding: Finding, language: str) -> dict[str, object]:
    facts = {"check": finding.check, "level": finding.level.value, "code": finding.code, "values": dict(finding.values)}
    return {**facts, "text": _worded(finding, language)}
