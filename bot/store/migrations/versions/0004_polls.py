"""Polls of many Official Accounts: claims in batches, unchanged lists, timers of all accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0004_polls"
down_revision = "0003_fleet"

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    for name in ("due_at", "requested_at", "evaluated_at"):
        op.add_column("poll_state", sa.Column(name, moment, nullable=True))
    for name in ("paused", "queued", "idle"):
        op.add_column("poll_state", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("poll_state", sa.Column("rows_digest", sa.Text(), nullable=True))
    op.create_index("poll_state_due", "poll_state", ["paused", "next_poll_at"])
    requested = sa.text("requested_at IS NOT NULL")
    op.create_index(
        "poll_state_requested",
        "poll_state",
        ["requested_at"],
        sqlite_where=requested,
        postgresql_where=requested,
    )
    op.create_index("episode_next_timer", "episode", ["next_timer_at"])
