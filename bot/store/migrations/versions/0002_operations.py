"""Operations from Slack: the tables operation and reader, and columns beside them."""

import sqlalchemy as sa
from alembic import op

revision = "0002_operations"
down_revision = "0001_initial"

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "operation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_key", sa.Text(), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("episode_id", sa.Text(), nullable=False),
        sa.Column("view_id", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("submission", sa.Text(), nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("sent_at", moment, nullable=True),
        sa.Column("lease_until", moment, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("polls", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("errcode", sa.Integer(), nullable=True),
        sa.Column("rid", sa.Text(), nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("operation_submission", "operation", ["appid", "submission"], unique=True)
    op.create_index("operation_asked", "operation", ["appid", "asked_at"])
    op.create_index("operation_account", "operation", ["appid", "account_key", "asked_at"])
    in_progress = sa.text("state IN ('open', 'unsure')")
    op.create_index(
        "operation_in_progress",
        "operation",
        ["appid", "account_key"],
        unique=True,
        sqlite_where=in_progress,
        postgresql_where=in_progress,
    )
    op.create_table(
        "reader",
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("appid", "user_id"),
    )
    op.add_column("poll_state", sa.Column("operation_refused_at", moment, nullable=True))
    op.add_column("poll_state", sa.Column("operation_refused_family", sa.Text(), nullable=True))
    op.add_column("poll_state", sa.Column("pruned_at", moment, nullable=True))
    op.add_column("episode", sa.Column("operated", sa.JSON(), nullable=True))
