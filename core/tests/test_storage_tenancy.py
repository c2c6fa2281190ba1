"""The two walls between municipalities: statements that are bound to none, and PostgreSQL's row-level security."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, bindparam, delete, func, insert, literal, or_, select, text, union_all, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from mykey_core.errors import ConfigurationError
from mykey_core.storage.database import Database, open_database
from mykey_core.storage.postgres import check_role
from mykey_core.storage.prepared import Prepared
from mykey_core.storage.tables import metadata, person, service_point, terminal
from mykey_core.storage.tenancy import TenantMismatch, TenantMissing, tenant_binds
from mykey_testkit.postgres import DatabaseUrls, fresh_database

OWN, OTHER = "132217", "102016"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
_own = person.c.municipality == OWN
_joined = select(terminal.c.id).join(
    service_point,
    (service_point.c.municipality == terminal.c.municipality) & (service_point.c.name == terminal.c.service_point),
)


@pytest.mark.parametrize(
    "statement",
    [
        select(person),
        select(func.count()).select_from(person),
        select(person).where(person.c.state == "active"),
        select(person).where(or_(_own, person.c.state == "active")),
        select(person).where(~_own),
        select(person).where(person.c.municipality != OWN),
        select(person).where(_own, select(terminal.c.id).where(terminal.c.id == person.c.id).exists()),
        _joined,
        select(person, terminal).where(_own),
        update(person).values(state="held"),
        delete(person).where(person.c.state == "held"),
        update(person).where(_own, person.c.id == terminal.c.id).values(state="held"),
        update(person).where(_own).values(state=terminal.c.id),
        delete(person).where(_own, person.c.id == terminal.c.id),
    ],
)
def test_a_statement_without_municipality_fails(statement: object) -> None:
    """Whatever could touch the rows of every municipality is refused before it is executed."""
    with pytest.raises(TenantMissing):
        tenant_binds(statement)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "statement",
    [
        select(person).where(_own),
        select(person).where(person.c.municipality == bindparam("m"), person.c.state == "active"),
        _joined.where(terminal.c.municipality == OWN),
        _joined.where(service_point.c.municipality == OWN),
        update(person).where(_own).values(state="held"),
        update(person).where(_own, person.c.municipality == terminal.c.municipality).values(state=terminal.c.id),
        delete(person).where(_own),
        select(person).where(_own, select(terminal.c.id).where(terminal.c.municipality == OWN).exists()),
    ],
)
def test_a_statement_of_one_municipality_passes(statement: object) -> None:
    """Bound by a value, directly or through another table."""
    assert tenant_binds(statement)  # type: ignore[arg-type]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path}/test.sqlite3", OWN)
    metadata.create_all(opened.engine)
    yield opened
    opened.dispose()


def _person(municipality: str) -> dict[str, object]:
    return {"municipality": municipality, "id": uuid7(), "state": "active", "created_at": NOW}


def test_a_session_takes_only_its_own_municipality(database: Database) -> None:
    """A statement that names another town is refused, prepared or not, reading or writing."""
    find = Prepared(select(person.c.id).where(person.c.municipality == bindparam("m")))
    with database.writing() as session:
        session.execute(insert(person), _person(OWN))
        with pytest.raises(TenantMismatch):
            session.execute(insert(person), _person(OTHER))
        with pytest.raises(TenantMismatch):
            session.execute(insert(person).values(**_person(OTHER)))
        with pytest.raises(TenantMismatch):
            session.execute(insert(person).values([_person(OWN), _person(OTHER)]))
        with pytest.raises(TenantMismatch):
            session.execute(insert(person).values([tuple(_person(OTHER).values())]))
        with pytest.raises(TenantMismatch):
            session.execute(update(person).where(_own).values(municipality=OTHER))
        with pytest.raises(TenantMismatch):
            session.execute(update(person).where(_own), {"municipality": OTHER})
        with pytest.raises(TenantMismatch):
            session.execute(insert(person).from_select(list(_person(OTHER)), _selecting(_person(OTHER))))
        with pytest.raises(TenantMismatch):
            session.execute(insert(person).from_select(list(_person(OTHER)), union_all(_selecting(_person(OTHER)))))
        moved = sqlite.insert(person).values(**_person(OWN)).on_conflict_do_update(["id"], set_={"municipality": OTHER})
        with pytest.raises(TenantMismatch):
            session.execute(moved)
        with pytest.raises(TenantMismatch):
            session.run(Prepared(insert(person)), _person(OTHER))
        with pytest.raises(TenantMismatch):
            session.execute(select(person).where(person.c.municipality == OTHER))
        with pytest.raises(TenantMismatch):
            session.first(find, {"m": OTHER})
        assert session.first(find, {"m": OWN}) is not None
        session.execute(insert(person).from_select(list(_person(OWN)), _selecting(_person(OWN))))
        again = (
            select(person.c.municipality, literal(uuid7()), person.c.state, person.c.created_at).where(_own).limit(1)
        )
        session.execute(insert(person).from_select(list(_person(OWN)), again))


def _selecting(row: dict[str, object]) -> Select[Any]:
    return select(*(literal(value, person.c[name].type) for name, value in row.items()))


@pytest.mark.parametrize("code", ["", "13221", "132218", "13221７", "1322177", "abcdef"])
def test_a_database_is_opened_for_a_real_code_only(code: str, tmp_path: Path) -> None:
    """Six ASCII digits, the last of them the check digit."""
    with pytest.raises(ConfigurationError):
        open_database(f"sqlite:///{tmp_path}/test.sqlite3", code)


@pytest.fixture
def urls(request: pytest.FixtureRequest) -> DatabaseUrls:
    return fresh_database(request.getfixturevalue("postgres_server"))


@pytest.mark.postgres
def test_row_level_security_hides_the_other_town(urls: DatabaseUrls) -> None:
    """Raw SQL of the hub's role, past the first wall, sees and writes only the rows of its session's municipality."""
    own, other = open_database(urls.hub, OWN), open_database(urls.hub, OTHER)
    for database, code in ((own, OWN), (other, OTHER)):
        with database.writing() as session:
            session.execute(insert(person), _person(code))
    with own.writing() as session:
        assert session.connection.execute(text("SELECT DISTINCT municipality FROM person")).scalars().all() == [OWN]
        assert session.connection.execute(text("UPDATE person SET state = 'held'")).rowcount == 1
        assert (
            session.connection.execute(text("DELETE FROM person WHERE municipality = :m"), {"m": OTHER}).rowcount == 0
        )
    with pytest.raises(DBAPIError, match="row-level security"), own.writing() as session:
        session.connection.execute(insert(person), _person(OTHER))
    own.dispose()
    other.dispose()


@pytest.mark.postgres
def test_a_session_without_municipality_sees_nothing(urls: DatabaseUrls) -> None:
    """A connection of the hub's role that forgot to say for whom gets no row at all."""
    own, nobody = open_database(urls.hub, OWN), open_database(urls.hub)
    with own.writing() as session:
        session.execute(insert(person), _person(OWN))
    with nobody.reading() as session:
        assert session.connection.execute(text("SELECT count(*) FROM person")).scalar() == 0
    own.dispose()
    nobody.dispose()


@pytest.mark.postgres
def test_the_hubs_role_cannot_rewrite_the_audit(urls: DatabaseUrls) -> None:
    """Audit records can be read and appended, not changed or deleted."""
    own = open_database(urls.hub, OWN)
    for statement in ("UPDATE audit_record SET event = 'x'", "DELETE FROM audit_record", "TRUNCATE audit_record"):
        with pytest.raises(DBAPIError, match="permission denied"), own.writing() as session:
            session.connection.execute(text(statement))
    own.dispose()


@pytest.mark.postgres
def test_every_table_with_a_municipality_has_the_wall(urls: DatabaseUrls) -> None:
    """The core's tables and those of plugins, none forgotten."""
    owner = open_database(urls.owner)
    missing = text(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind IN ('r', 'p') "
        "AND a.attname = 'municipality' AND c.relnamespace = 'public'::regnamespace AND NOT c.relrowsecurity"
    )
    with owner.reading() as session:
        assert session.connection.execute(missing).scalars().all() == []
    owner.dispose()


@pytest.mark.postgres
def test_a_hub_whose_role_passes_the_wall_is_refused(urls: DatabaseUrls) -> None:
    """Owner and superuser are no roles for a hub."""
    owner, hub = open_database(urls.owner, OWN), open_database(urls.hub, OWN)
    with pytest.raises(ConfigurationError, match="row-level security"), owner.reading() as session:
        check_role(session)
    with hub.reading() as session:
        check_role(session)
    owner.dispose()
    hub.dispose()
