"""The four tables: meta, episode, told, message."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "episode",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("seat", sa.Text(), nullable=False),
        sa.Column("invite_wx", sa.Text(), nullable=False),
        sa.Column("expires_at", moment, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("first_seen", moment, nullable=False),
        sa.Column("since", moment, nullable=False),
        sa.Column("kf_account", sa.Text(), nullable=False),
        sa.Column("kf_nick", sa.Text(), nullable=False),
        sa.Column("kf_id", sa.Text(), nullable=False),
        sa.Column("latest", sa.Boolean(), nullable=False),
        sa.Column("doubt", sa.Text(), nullable=False),
        sa.Column("doubt_reads", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", moment, nullable=True),
        sa.Column("next_wx", sa.Text(), nullable=False),
        sa.Column("next_expires_at", moment, nullable=True),
        sa.Column("next_timer_at", moment, nullable=True),
        sa.Column("detail", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("episode_latest", "episode", ["appid", "kind", "latest"], unique=False)
    op.create_index("episode_seat", "episode", ["appid", "seat", "invite_wx"], unique=False)
    op.create_index("episode_timer", "episode", ["appid", "next_timer_at"], unique=False)
    op.create_table(
        "message",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("shape", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("members", sa.JSON(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("root_id", sa.Text(), nullable=True),
        sa.Column("broadcast", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("not_before", moment, nullable=False),
        sa.Column("lease_until", moment, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started_at", moment, nullable=True),
        sa.Column("channel_id", sa.Text(), nullable=True),
        sa.Column("ts", sa.Text(), nullable=True),
        sa.Column("sent_at", moment, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("text_only", sa.Boolean(), nullable=False),
        sa.Column("applied_hash", sa.Text(), nullable=True),
        sa.Column("next_edit_at", moment, nullable=True),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("message_queue", "message", ["appid", "status", "rank", "created_at"], unique=False)
    op.create_index("message_root", "message", ["root_id"], unique=False)
    op.create_index("message_views", "message", ["appid", "status", "settled"], unique=False)
    op.create_table(
        "meta",
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("next_poll_at", moment, nullable=False),
        sa.Column("watching_since", moment, nullable=True),
        sa.Column("last_read_at", moment, nullable=True),
        sa.Column("accounts", sa.Integer(), nullable=False),
        sa.Column("empty_reads", sa.Integer(), nullable=False),
        sa.Column("failed_reads", sa.Integer(), nullable=False),
        sa.Column("good_reads", sa.Integer(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=True),
        sa.Column("next_post_at", moment, nullable=False),
        sa.Column("held", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("appid"),
    )
    op.create_table(
        "told",
        sa.Column("episode_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lead_seconds", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("episode_id", "kind", "lead_seconds"),
    )
    op.create_index("told_message", "told", ["message_id"], unique=False)
