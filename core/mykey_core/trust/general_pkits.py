"""The NIST PKITS table: reading it, asking a path engine about each case, and counting how far they agree.

Which engine answers is the caller's choice; the table's format is described beside the data.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mykey_core.trust.errors import TrustError
from mykey_core.trust.general_algorithms import AlgorithmProfile
from mykey_core.trust.general_path import PathQuestion, PathVerdict

TABLE = "pkits.toml"
FORMAT = 1
Engine = Callable[[PathQuestion], PathVerdict]


@dataclass(frozen=True, slots=True)
class PkitsCase:
    """One line of the table: what is asked, and whether NIST expects acceptance."""

    id: str
    name: str
    expect_accept: bool
    expected_reason: str
    question: PathQuestion


@dataclass(frozen=True, slots=True)
class PkitsResult:
    """What the engine said about one case."""

    case: PkitsCase
    verdict: PathVerdict

    @property
    def agrees(self) -> bool:
        """Whether the engine and NIST say the same."""
        return self.verdict.accepted == self.case.expect_accept

    @property
    def is_false_accept(self) -> bool:
        """Whether something was accepted that must be refused: never excusable."""
        return self.verdict.accepted and not self.case.expect_accept


@dataclass(frozen=True, slots=True)
class PkitsScore:
    """The sum over all cases."""

    cases: int
    agree: int
    false_accepts: tuple[str, ...]
    false_rejects: tuple[str, ...]


def read_table(directory: Path) -> list[PkitsCase]:
    """All cases of `directory`/pkits.toml with their certificates and CRLs.

    Raises:
        TrustError: `pkits_data` when the folder is not the PKITS data.
    """
    try:
        table = tomllib.loads((directory / TABLE).read_text(encoding="utf-8"))
        if table["format"] != FORMAT:
            raise TrustError("pkits_data", f"{TABLE} has format {table['format']}, this program reads {FORMAT}")
        return [_case(directory, table, entry) for entry in table["case"]]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise TrustError("pkits_data", f"{directory} is not the PKITS data: {error}") from error


def run(cases: list[PkitsCase], engine: Engine) -> Iterator[PkitsResult]:
    """Ask `engine` about each case, one by one."""
    return (PkitsResult(case, engine(case.question)) for case in cases)


def score(results: list[PkitsResult]) -> PkitsScore:
    """Count agreement and list the disagreements by their PKITS numbers."""
    return PkitsScore(
        cases=len(results),
        agree=sum(result.agrees for result in results),
        false_accepts=tuple(result.case.id for result in results if result.is_false_accept),
        false_rejects=tuple(r.case.id for r in results if not r.agrees and not r.is_false_accept),
    )


def _case(directory: Path, table: dict[str, Any], entry: dict[str, Any]) -> PkitsCase:
    def certificate(name: str) -> bytes:
        return (directory / "certs" / name).read_bytes()

    question = PathQuestion(
        certificate=certificate(entry["target"]),
        anchors=(certificate(table["trust_anchor"]),),
        at=table["moment"],
        intermediates=tuple(certificate(name) for name in entry["intermediates"]),
        crls=tuple((directory / "crls" / name).read_bytes() for name in entry["crls"]),
        policies=frozenset(entry.get("policies", ())),
        require_policy=entry.get("explicit_policy", False),
        inhibit_policy_mapping=entry.get("inhibit_policy_mapping", False),
        inhibit_any_policy=entry.get("inhibit_any_policy", False),
        algorithms=AlgorithmProfile.COMPATIBLE,
    )
    return PkitsCase(entry["id"], entry["name"], entry["expect"] == "accept", entry.get("reason", ""), question)
