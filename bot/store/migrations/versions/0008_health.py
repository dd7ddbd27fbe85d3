"""Store what health is computed from: completed polls, Slack's last refusal, what each process does."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    # An older process may still write rows: what it does not know has a default in the database.
    op.add_column("meta", sa.Column("polled_at", moment, nullable=True))
    op.add_column("meta", sa.Column("poll_wait", sa.Integer(), nullable=True))
    op.add_column("meta", sa.Column("failing_since", moment, nullable=True))
    op.add_column("meta", sa.Column("slack_error", sa.Text(), nullable=True))
    op.add_column("meta", sa.Column("slack_error_since", moment, nullable=True))
    op.add_column("meta", sa.Column("slack_refuses", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("meta", sa.Column("slack_reading", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("episode", sa.Column("began_at", moment, nullable=True))
    op.add_column("process", sa.Column("role", sa.Text(), server_default="", nullable=False))
    op.add_column("process", sa.Column("started_at", moment, nullable=True))
    op.add_column(
        "process", sa.Column("receives_commands", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("process", sa.Column("settings", sa.JSON(), nullable=True))
