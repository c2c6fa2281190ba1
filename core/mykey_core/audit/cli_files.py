"""The part of `mykey audit` that needs no hub: checking proofs and exports with the log's public key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mykey_core.audit.checkpoint import Checkpoint, open_checkpoint
from mykey_core.audit.errors import ProofError
from mykey_core.audit.export import check_export
from mykey_core.audit.note import VerifierKey
from mykey_core.audit.proofs import ConsistencyProof, InclusionProof, parse_proof
from mykey_core.errors import MykeyError

FILE = click.Path(path_type=Path, dir_okay=False)
OUT = click.option("-o", "--output", type=FILE, help="A file to write; else standard output.")
_key = click.option(
    "--key", "named", type=FILE, multiple=True, required=True, help="The public key: a line of `mykey audit key`."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@contextmanager
def checked() -> Iterator[None]:
    """Our errors, and files that cannot be read, as messages of the program."""
    try:
        yield
    except (MykeyError, OSError, UnicodeDecodeError) as error:
        raise click.ClickException(str(error)) from error


def public_keys(files: Iterable[Path]) -> list[VerifierKey]:
    """The keys in files of one key a line."""
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [VerifierKey.parse(line) for line in lines]


def write(output: Path | None, parts: Iterable[str]) -> None:
    """Write to a file, or to standard output."""
    if output is None:
        for part in parts:
            click.echo(part, nl=False)
        return
    with output.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(parts)


@click.command("check-proof")
@click.argument("proof", type=FILE)
@_key
@click.option("--checkpoint", "kept", type=FILE, help="The proof must be for this checkpoint.")
@_json
def check_proof(proof: Path, named: tuple[Path, ...], kept: Path | None, *, as_json: bool) -> None:
    """Check a proof of `prove` or `consistency`; without a hub, without a network."""
    with checked():
        keys = public_keys(named)
        read = parse_proof(proof.read_text(encoding="utf-8"))
        found = read.check(keys)
        if kept is not None and open_checkpoint(kept.read_text(encoding="utf-8"), keys) != found:
            raise ProofError("the proof is for another checkpoint")
    _show(read, found, as_json=as_json)


@click.command("check-export")
@click.argument("export", type=FILE)
@_key
@_json
def check_exported(export: Path, named: tuple[Path, ...], *, as_json: bool) -> None:
    """Check that the records of an export are those that its checkpoint was signed over."""
    with checked(), export.open(encoding="utf-8") as lines:
        found, count = check_export(lines, public_keys(named))
    answer = {"ok": True, "records": count, "origin": found.origin, "size": found.size}
    text = f"{count} records, the last of {found.size} of {found.origin}, are what was signed"
    click.echo(json.dumps(answer) if as_json else text)


def _show(proof: InclusionProof | ConsistencyProof, found: Checkpoint, *, as_json: bool) -> None:
    answer: dict[str, object] = {"ok": True, "origin": found.origin, "size": found.size}
    text = f"the log of {found.size} records of {found.origin} continues the older one"
    if isinstance(proof, InclusionProof):
        record = proof.entry.decode()
        answer |= {"index": proof.index, "record": json.loads(record)}
        text = f"record {proof.index} of {found.size} of {found.origin}: {record}"
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else text)


def register_file_commands(group: click.Group) -> None:
    """Put the commands of this module into the group `mykey audit`."""
    group.add_command(check_proof)
    group.add_command(check_exported)
