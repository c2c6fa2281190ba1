"""`quote`, `eligibility`, `examples`, `schema`: asking the rules, without a hub."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import click

from mykey_taxi import examples as worked
from mykey_taxi.errors import InputError, TaxiError
from mykey_taxi.quote import for_any_day, quote_all, with_overrides
from mykey_taxi.quote import quote as quote_ride
from mykey_taxi.rules.eligibility import Applicant, assess
from mykey_taxi.rules.expressions import Ground
from mykey_taxi.rules.pack import Pack
from mykey_taxi.rules.packs import PackSeries, read_packs, shipped_packs

P = ParamSpec("P")


def plain_errors(function: Callable[P, None]) -> Callable[P, None]:
    """What the plugin reports, as one line for a person."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except TaxiError as error:
            raise click.ClickException(f"{error.code}: {error}") from error

    return wrapped


def show(value: Any) -> None:
    """JSON on standard output, for programs and people."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def read_json(source: Any) -> Mapping[str, Any]:
    """A JSON object from a file or standard input."""
    try:
        value = json.load(source)
    except ValueError as error:
        raise InputError("input", f"it is no JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise InputError("input", "it is no JSON object")
    return value


def packs_option(function: Callable[P, None]) -> Callable[P, None]:
    """`--packs` and `--programme`."""
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    with_packs = click.option("--packs", type=folder, help="Folder with rule packs; without it those that are shipped.")
    programme = click.option("--programme", default="maitaku", show_default=True, help="Which programme.")
    return with_packs(programme(function))


def series(packs: Path | None, programme: str) -> PackSeries:
    """The packs that the options name."""
    return shipped_packs(programme) if packs is None else read_packs(packs, programme)


@click.command()
@click.argument("source", type=click.File("r", encoding="utf-8"), default="-")
@packs_option
@plain_errors
def quote(source: Any, packs: Path | None, programme: str) -> None:
    """Judge a ride, or several, from JSON (`ride` or `rides`, `registrations`, `prior_uses`, `pack`)."""
    data = read_json(source)
    chosen = series(packs, programme)
    if data.get("pack"):
        chosen = for_any_day(with_overrides(chosen.packs[-1], data["pack"]))
    show({"results": quote_all(chosen, data)} if "rides" in data else quote_ride(chosen, data))


@click.command()
@click.argument("source", type=click.File("r", encoding="utf-8"), default="-")
@packs_option
@plain_errors
def eligibility(source: Any, packs: Path | None, programme: str) -> None:
    """Who may register, from JSON (`birth`, `on`, `resident`, `grounds`)."""
    data = read_json(source)
    try:
        birth = date.fromisoformat(data["birth"]) if data.get("birth") else None
        day = date.fromisoformat(data["on"])
        applicant = Applicant(birth, data["resident"] is True, frozenset(Ground(g) for g in data.get("grounds", [])))
    except KeyError as error:
        raise InputError(str(error.args[0]), "it is missing") from error
    except (TypeError, ValueError) as error:
        raise InputError("input", str(error)) from error
    answer = assess(series(packs, programme).on(day), applicant, day)
    show({name: getattr(answer, name) for name in answer.__slots__})


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@packs_option
@plain_errors
def examples(files: tuple[Path, ...], packs: Path | None, programme: str) -> None:
    """Run files of worked examples; prints a line a case, every difference, and `N of M`."""
    pack = series(packs, programme).packs[-1]
    outcomes = [outcome for path in files for outcome in worked.run_cases(worked.read_cases(path), pack)]
    for outcome in outcomes:
        state = "skipped" if outcome.skipped else "differs" if outcome.differences else "ok"
        click.echo(f"{state:8} {outcome.case:14} {outcome.kind:13} {outcome.rule}")
        for line in (*outcome.differences, *((outcome.skipped,) if outcome.skipped else ())):
            click.echo(f"         {line}")
    judged = [outcome for outcome in outcomes if not outcome.skipped]
    agreed = sum(not outcome.differences for outcome in judged)
    click.echo(
        f"{agreed} of {len(judged)}"
        + (f" ({len(outcomes) - len(judged)} skipped)" if len(outcomes) > len(judged) else "")
    )
    sys.exit(agreed != len(judged))


@click.command()
@plain_errors
def schema() -> None:
    """The JSON Schema of a rule pack."""
    show(Pack.model_json_schema())
