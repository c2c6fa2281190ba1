"""`operator`: taxi companies with their accounts, and which service point is whose cab, from a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mykey_taxi.commands.rules import plain_errors
from mykey_taxi.commands.settlement import CONFIG, transactions
from mykey_taxi.errors import InputError
from mykey_taxi.offline import POINT
from mykey_taxi.register import Cab, Operator, Register
from mykey_taxi.zengin.banks import named


class CabEntry(BaseModel):
    """A cab: the service point of its terminal."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    point: str
    vehicle: str


class OperatorEntry(BaseModel):
    """A company, as `Operator`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    name: str
    payee: str
    bank: Annotated[str, Field(pattern=r"^[0-9]{4}$")]
    branch: Annotated[str, Field(pattern=r"^[0-9]{3}$")]
    account_type: int = 1
    account: Annotated[str, Field(pattern=r"^[0-9]{1,7}$")]
    customer_code: str = "0"
    cabs: tuple[CabEntry, ...] = ()


class OperatorsFile(BaseModel):
    """`[[operators]]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    operators: tuple[OperatorEntry, ...]


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@CONFIG
@plain_errors
def operator(file: Path, config: Path) -> None:
    """Take over the companies and cabs of a TOML file; what is known already is changed."""
    try:
        entries = OperatorsFile.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))).operators
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise InputError(file.name, str(error)) from error
    with transactions(config) as begin, begin() as database:
        book = Register(database)
        for entry in entries:
            named(entry.bank, entry.branch, entry.account_type, entry.account, entry.id)
            own = entry.model_dump(exclude={"id", "cabs"})
            book.put_operator(Operator(operator_id=entry.id, **own))
            for cab in entry.cabs:
                book.put_cab(Cab(POINT + cab.point, entry.id, cab.vehicle))
    click.echo(f"{len(entries)} operators, {sum(len(entry.cabs) for entry in entries)} cabs")
