"""first tables."""

import sqlalchemy as sa
from alembic import op

from mykey_core.api import UtcInstant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_IMMUTABLE = ("taxi_statement", "taxi_invoice", "taxi_document", "taxi_correction")


def upgrade() -> None:
    op.create_table(
        "taxi_correction",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("correction_id", sa.String(length=36), nullable=False),
        sa.Column("cycle", sa.String(length=7), nullable=False),
        sa.Column("ride_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("operator_id", sa.String(length=32), nullable=False),
        sa.Column("subsidy_yen", sa.Integer(), nullable=False),
        sa.Column("shares", sa.Text(), nullable=False),
        sa.Column("uses", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("entered_by", sa.String(length=64), nullable=False),
        sa.Column("entered_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "correction_id"),
        sa.UniqueConstraint("municipality", "ride_id", "kind", name="uq_taxi_correction_ride"),
    )
    op.create_index("ix_taxi_correction_cycle", "taxi_correction", ["municipality", "cycle"], unique=False)
    op.create_table(
        "taxi_cycle",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("cycle", sa.String(length=7), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("begun_at", UtcInstant(), nullable=False),
        sa.Column("closed_at", UtcInstant(), nullable=True),
        sa.Column("rides", sa.Integer(), nullable=True),
        sa.Column("subsidy_yen", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("municipality", "cycle"),
    )
    op.create_table(
        "taxi_document",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("cycle", sa.String(length=7), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "cycle", "name"),
    )
    op.create_table(
        "taxi_invoice",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("cycle", sa.String(length=7), nullable=False),
        sa.Column("operator_id", sa.String(length=32), nullable=False),
        sa.Column("rides", sa.Integer(), nullable=False),
        sa.Column("rides_yen", sa.Integer(), nullable=False),
        sa.Column("corrections_yen", sa.Integer(), nullable=False),
        sa.Column("carried_in_yen", sa.Integer(), nullable=False),
        sa.Column("due_yen", sa.Integer(), nullable=False),
        sa.Column("carried_out_yen", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "cycle", "operator_id"),
    )
    op.create_table(
        "taxi_operator",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("operator_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("payee", sa.String(length=60), nullable=False),
        sa.Column("bank", sa.String(length=4), nullable=False),
        sa.Column("branch", sa.String(length=3), nullable=False),
        sa.Column("account_type", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(length=7), nullable=False),
        sa.Column("customer_code", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "operator_id"),
    )
    op.create_table(
        "taxi_ride",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("ride_id", sa.String(length=64), nullable=False),
        sa.Column("terminal", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("operator_id", sa.String(length=32), nullable=False),
        sa.Column("board_at", UtcInstant(), nullable=False),
        sa.Column("alight_at", UtcInstant(), nullable=False),
        sa.Column("board_zone", sa.String(length=64), nullable=True),
        sa.Column("alight_zone", sa.String(length=64), nullable=True),
        sa.Column("meter_yen", sa.Integer(), nullable=False),
        sa.Column("discount_yen", sa.Integer(), nullable=False),
        sa.Column("riders", sa.String(length=600), nullable=False),
        sa.Column("online", sa.Integer(), nullable=False),
        sa.Column("reported_pack", sa.String(length=64), nullable=False),
        sa.Column("reported_subsidy", sa.Integer(), nullable=False),
        sa.Column("reported_cash", sa.Integer(), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("cycle", sa.String(length=7), nullable=True),
        sa.PrimaryKeyConstraint("municipality", "ride_id"),
        sa.UniqueConstraint("municipality", "terminal", "seq", name="uq_taxi_ride_sequence"),
    )
    op.create_index(
        "ix_taxi_ride_order", "taxi_ride", ["municipality", "cycle", "board_at", "terminal", "seq"], unique=False
    )
    op.create_table(
        "taxi_ride_rider",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("rider_id", sa.String(length=32), nullable=False),
        sa.Column("board_at", UtcInstant(), nullable=False),
        sa.Column("ride_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "rider_id", "board_at", "ride_id"),
    )
    op.create_table(
        "taxi_rider",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("rider_id", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=43), nullable=False),
        sa.Column("registered_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "rider_id"),
        sa.UniqueConstraint("municipality", "subject", name="uq_taxi_rider_subject"),
    )
    op.create_table(
        "taxi_settlement",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("ride_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=True),
        sa.Column("subsidy_yen", sa.Integer(), nullable=False),
        sa.Column("cash_yen", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("over", sa.Integer(), nullable=False),
        sa.Column("units", sa.String(length=40), nullable=True),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("pack_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "ride_id"),
    )
    op.create_table(
        "taxi_statement",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("cycle", sa.String(length=7), nullable=False),
        sa.Column("rider_id", sa.String(length=32), nullable=False),
        sa.Column("rides", sa.Integer(), nullable=False),
        sa.Column("subsidy_yen", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "cycle", "rider_id"),
    )
    op.create_index("ix_taxi_statement_rider", "taxi_statement", ["municipality", "rider_id", "cycle"], unique=False)
    op.create_table(
        "taxi_year_use",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("cycle", sa.String(length=7), nullable=False),
        sa.Column("rider_id", sa.String(length=32), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("municipality", "year", "cycle", "rider_id"),
    )
    op.create_table(
        "taxi_card",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("card", sa.String(length=64), nullable=False),
        sa.Column("rider_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("last_tmc", sa.Integer(), nullable=True),
        sa.Column("since", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality", "rider_id"],
            ["taxi_rider.municipality", "taxi_rider.rider_id"],
        ),
        sa.PrimaryKeyConstraint("municipality", "card"),
    )
    op.create_index("ix_taxi_card_rider", "taxi_card", ["municipality", "rider_id"], unique=False)
    op.create_table(
        "taxi_registration",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("rider_id", sa.String(length=32), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("ground", sa.String(length=100), nullable=False),
        sa.Column("pack_hash", sa.String(length=64), nullable=False),
        sa.Column("registered_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality", "rider_id"],
            ["taxi_rider.municipality", "taxi_rider.rider_id"],
        ),
        sa.PrimaryKeyConstraint("municipality", "rider_id", "first_day"),
    )
    op.create_table(
        "taxi_terminal",
        sa.Column("municipality", sa.String(length=6), nullable=False),
        sa.Column("terminal", sa.String(length=64), nullable=False),
        sa.Column("operator_id", sa.String(length=32), nullable=False),
        sa.Column("vehicle", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality", "operator_id"],
            ["taxi_operator.municipality", "taxi_operator.operator_id"],
        ),
        sa.PrimaryKeyConstraint("municipality", "terminal"),
    )
    for table in _IMMUTABLE:
        _immutable(table)
    _closed_months_stay()


def downgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    op.drop_table("taxi_terminal")
    op.drop_table("taxi_registration")
    op.drop_index("ix_taxi_card_rider", table_name="taxi_card")
    op.drop_table("taxi_card")
    op.drop_table("taxi_year_use")
    op.drop_index("ix_taxi_statement_rider", table_name="taxi_statement")
    op.drop_table("taxi_statement")
    op.drop_table("taxi_settlement")
    op.drop_table("taxi_rider")
    op.drop_table("taxi_ride_rider")
    op.drop_index("ix_taxi_ride_order", table_name="taxi_ride")
    op.drop_table("taxi_ride")
    op.drop_table("taxi_operator")
    op.drop_table("taxi_invoice")
    op.drop_table("taxi_document")
    op.drop_table("taxi_cycle")
    op.drop_index("ix_taxi_correction_cycle", table_name="taxi_correction")
    op.drop_table("taxi_correction")
    for table in (*_IMMUTABLE, "taxi_settlement") if postgres else ():
        op.execute(f"DROP FUNCTION {table}_stays()")


def _immutable(table: str) -> None:
    """What a closed month says is never changed; a correction is an entry of a later month (TX-M3)."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE FUNCTION {table}_stays() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{table} is never changed'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_stays BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_stays()"
        )
        return
    op.execute(
        f"CREATE TRIGGER {table}_stays BEFORE UPDATE ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is never changed'); END"
    )


_CLOSED = (
    "SELECT 1 FROM taxi_ride r JOIN taxi_cycle c ON c.municipality = r.municipality AND c.cycle = r.cycle "
    "WHERE r.municipality = OLD.municipality AND r.ride_id = OLD.ride_id AND c.state = 'closed'"
)


def _closed_months_stay() -> None:
    """A verdict on a ride of a closed month is never changed."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION taxi_settlement_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF EXISTS ({_CLOSED}) THEN RAISE EXCEPTION 'the month of this ride is closed'; END IF; "
            "RETURN NEW; END $$"
        )
        op.execute(
            "CREATE TRIGGER taxi_settlement_stays BEFORE UPDATE ON taxi_settlement "
            "FOR EACH ROW EXECUTE FUNCTION taxi_settlement_stays()"
        )
        return
    op.execute(
        f"CREATE TRIGGER taxi_settlement_stays BEFORE UPDATE ON taxi_settlement WHEN EXISTS ({_CLOSED}) "
        "BEGIN SELECT RAISE(ABORT, 'the month of this ride is closed'); END"
    )
