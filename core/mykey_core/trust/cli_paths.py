"""`mykey trust validate` and `mykey trust pkits`: path validation of files, from the command line.

Only reading of options and printing lives here. Exit codes: 0 accepted (or full agreement), 1 refused, 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mykey_cardap.kinds import CertificateKind
from mykey_core.clock import system_clock
from mykey_core.trust import general_pkits
from mykey_core.trust.errors import TrustError
from mykey_core.trust.general_algorithms import AlgorithmProfile
from mykey_core.trust.general_fast import fast_engine
from mykey_core.trust.general_files import read_certificate, read_certificates, read_crls
from mykey_core.trust.general_path import PathQuestion, PathVerdict, validate_path
from mykey_core.trust.general_pkits import Engine, PkitsResult

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
ENGINES = ("general", "fast")


class Instant(click.ParamType[datetime]):
    """An ISO 8601 instant with its offset, such as 2025-06-01T00:00:00Z; given back in UTC."""

    name = "TIME"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read `value`, or fail with the usage."""
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(value.upper())  # RFC 3339 lets t and z be small
        except ValueError:
            self.fail(f"'{value}' is no ISO 8601 time: write for example 2025-06-01T00:00:00Z", param, ctx)
        if instant.tzinfo is None:
            self.fail(f"'{value}' has no offset: add Z for UTC or +09:00 for Japan", param, ctx)
        try:
            return instant.astimezone(UTC)
        except OverflowError:
            self.fail(f"'{value}' lies outside the years 1 to 9999 of UTC", param, ctx)


class PolicyOid(click.ParamType[str]):
    """A dotted object identifier such as 1.2.392.200149.8.5.1.3.30."""

    name = "OID"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read `value`, or fail with the usage."""
        arcs = value.split(".")
        if len(arcs) < 2 or not all(arc.isascii() and arc.isdigit() for arc in arcs):  # noqa: PLR2004 - X.660
            self.fail(f"'{value}' is no dotted object identifier", param, ctx)
        return value


def _path_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--path", "engine", type=click.Choice(ENGINES), default="general", show_default=True,
                     help="general: any hierarchy. fast: the card's login path (the anchor must be the issuing CA)."),
        click.option("--kind", type=click.Choice([kind.value for kind in CertificateKind]),
                     default=CertificateKind.AUTHENTICATION.value, show_default=True,
                     help="Which key usage the fast path expects."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command()
@click.argument("certificate", metavar="CERT", type=FILE)
@click.option("--anchor", "anchors", type=FILE, multiple=True, required=True, help="A trusted CA certificate.")
@click.option("--intermediate", "intermediates", type=FILE, multiple=True, help="A certificate of the path.")
@click.option("--crl", "crls", type=FILE, multiple=True, help="A certificate revocation list.")
@click.option("--at", type=Instant(), default=None, help="Moment of the check (ISO 8601); now when left out.")
@click.option("--policy", "policies", type=PolicyOid(), multiple=True, help="An acceptable policy; any if none.")
@click.option("--require-policy", is_flag=True, help="At least one acceptable policy must hold for the path.")
@click.option("--inhibit-policy-mapping", is_flag=True, help="Policies must not be mapped.")
@click.option("--inhibit-any-policy", is_flag=True, help="anyPolicy counts for nothing.")
@click.option(
    "--algorithms",
    type=click.Choice([profile.value for profile in AlgorithmProfile]),
    default=AlgorithmProfile.COMPATIBLE.value,
    show_default=True,
    help="strict refuses DSA, which compatible accepts and reports as weak.",
)
@_path_options
def validate(
    *,
    certificate: Path,
    anchors: tuple[Path, ...],
    intermediates: tuple[Path, ...],
    crls: tuple[Path, ...],
    at: datetime | None,
    policies: tuple[str, ...],
    engine: str,
    kind: str,
    algorithms: str,
    **flags: bool,
) -> None:
    """Validate the path of CERT and print the verdict as JSON. Nothing is fetched from a network.

    Files are PEM or DER. Revocation is always checked: a certificate without a usable CRL is refused.
    """
    try:
        question = PathQuestion(
            certificate=_read_target(certificate),
            anchors=read_certificates(anchors),
            intermediates=read_certificates(intermediates),
            crls=read_crls(crls),
            at=at or system_clock(),
            policies=frozenset(policies),
            algorithms=AlgorithmProfile(algorithms),
            **flags,
        )
    except TrustError as error:
        raise click.UsageError(error.detail) from error
    verdict = _engine(engine, kind)(question)
    click.echo(json.dumps(_verdict_json(verdict, question, engine), ensure_ascii=False))
    sys.exit(0 if verdict.accepted else 1)


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print every case as JSON.")
@_path_options
def pkits(*, directory: Path, engine: str, kind: str, as_json: bool) -> None:
    """Run the NIST PKITS cases in DIR (with its pkits.toml) and print the score.

    Exit 0: full agreement (general), or nothing accepted that must be refused (fast, which is made for one tier only).
    """
    try:
        cases = general_pkits.read_table(directory)
    except TrustError as error:
        raise click.UsageError(error.detail) from error
    results = []
    for result in general_pkits.run(cases, _engine(engine, kind)):
        results.append(result)
        _show_progress(len(results), len(cases))
    score = general_pkits.score(results)
    click.echo(_pkits_json(engine, results) if as_json else _pkits_text(engine, results))
    passed = not score.false_accepts if engine == "fast" else score.agree == score.cases
    sys.exit(0 if passed else 1)


def _read_target(path: Path) -> bytes:
    """The certificate to judge. One that is no certificate is for the engines to refuse: it is what is in question."""
    try:
        return read_certificate(path)
    except TrustError as error:
        if error.code != "not_a_certificate":
            raise
        return b""


def _engine(name: str, kind: str) -> Engine:
    return fast_engine(CertificateKind(kind)) if name == "fast" else validate_path


def _show_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done}/{total}", err=True, nl=done == total)


def _verdict_json(verdict: PathVerdict, question: PathQuestion, engine: str) -> dict[str, Any]:
    return {
        "verdict": "accept" if verdict.accepted else "reject",
        "reason": verdict.reason,
        "place": verdict.place or None,
        "engine": engine,
        "at": question.at.isoformat(),
        "path": list(verdict.path),
        "policies": list(verdict.policies),
        "weak_algorithms": list(verdict.weak_algorithms),
    }


def _pkits_json(engine: str, results: list[PkitsResult]) -> str:
    score = general_pkits.score(results)
    return json.dumps(
        {
            "engine": engine,
            "cases": score.cases,
            "agree": score.agree,
            "false_accepts": list(score.false_accepts),
            "false_rejects": list(score.false_rejects),
            "results": [
                {
                    "id": result.case.id,
                    "expect": "accept" if result.case.expect_accept else "reject",
                    "verdict": "accept" if result.verdict.accepted else "reject",
                    "expected_reason": result.case.expected_reason or None,
                    "reason": result.verdict.reason,
                }
                for result in results
            ],
        }
    )


def _pkits_text(engine: str, results: list[PkitsResult]) -> str:
    score = general_pkits.score(results)
    lines = [
        f"{'FALSE ACCEPT' if result.is_false_accept else 'false reject'} {result.case.id} {result.case.name}: "
        f"{result.verdict.reason} (expected: {result.case.expected_reason or 'accept'})"
        for result in results
        if result.is_false_accept or (engine == "general" and not result.agrees)
    ]
    lines.append(
        f"PKITS, {engine} path: {score.agree} of {score.cases} cases agree, "
        f"{len(score.false_accepts)} false accepts, {len(score.false_rejects)} false rejects"
    )
    return "\n".join(lines)
