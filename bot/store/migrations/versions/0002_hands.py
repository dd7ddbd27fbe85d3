"""People in charge, looks into the history, quiet hours, the clock."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    # An older process may still write rows: what it does not know has a default in the database.
    op.add_column("meta", sa.Column("skewed_reads", sa.Integer(), server_default="0", nullable=False))
    op.add_column("meta", sa.Column("clock_incident", sa.Text(), nullable=True))
    op.add_column("meta", sa.Column("rested_at", moment, nullable=True))
    op.add_column("episode", sa.Column("acked", sa.JSON(), nullable=True))
    op.add_column("episode", sa.Column("snoozed", sa.JSON(), nullable=True))
    op.add_column("message", sa.Column("posts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("message", sa.Column("looks", sa.Integer(), server_default="0", nullable=False))
    op.add_column("message", sa.Column("look_at", moment, nullable=True))
    op.add_column("message", sa.Column("lookable_from", moment, nullable=True))
    op.add_column("message", sa.Column("breakthrough", sa.Boolean(), server_default=sa.false(), nullable=False))
