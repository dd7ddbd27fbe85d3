"""The first five tables: poll_state, episode, emitted_event, message, process."""

import sqlalchemy as sa
from alembic import op

revision = "0001_initial"
down_revision = None

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "emitted_event",
        sa.Column("episode_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lead_seconds", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("episode_id", "kind", "lead_seconds"),
    )
    op.create_index("emitted_event_message", "emitted_event", ["message_id"])
    op.create_table(
        "episode",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_key", sa.Text(), nullable=False),
        sa.Column("invite_wx", sa.Text(), nullable=False),
        sa.Column("expires_at", moment, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("first_seen", moment, nullable=False),
        sa.Column("state_since", moment, nullable=False),
        sa.Column("kf_account", sa.Text(), nullable=False),
        sa.Column("kf_nick", sa.Text(), nullable=False),
        sa.Column("kf_id", sa.Text(), nullable=False),
        sa.Column("repetition", sa.Integer(), server_default="0", nullable=False),
        sa.Column("is_latest", sa.Boolean(), nullable=False),
        sa.Column("pending_state", sa.Text(), nullable=False),
        sa.Column("confirmations", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", moment, nullable=True),
        sa.Column("successor_wx", sa.Text(), nullable=False),
        sa.Column("successor_expires_at", moment, nullable=True),
        sa.Column("successor_id", sa.Text(), server_default="", nullable=False),
        sa.Column("next_timer_at", moment, nullable=True),
        sa.Column("detail", sa.JSON(), nullable=True),
        sa.Column("began_at", moment, nullable=True),
        sa.Column("acked", sa.JSON(), nullable=True),
        sa.Column("snoozed", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("episode_latest", "episode", ["appid", "kind", "is_latest"])
    op.create_index("episode_open", "episode", ["appid", "kind", "is_latest", "state"])
    op.create_index("episode_newest", "episode", ["appid", "kind", "is_latest", "account_key"])
    op.create_index("episode_account", "episode", ["appid", "account_key", "invite_wx"])
    op.create_index("episode_successor", "episode", ["successor_id"])
    op.create_index("episode_timer", "episode", ["appid", "next_timer_at"])
    op.create_table(
        "message",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("episode_ids", sa.JSON(), nullable=False),
        sa.Column("event_keys", sa.JSON(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("broadcast", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("not_before", moment, nullable=False),
        sa.Column("lease_until", moment, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("post_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", moment, nullable=True),
        sa.Column("failed_lookups", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_lookup_at", moment, nullable=True),
        sa.Column("posting_lease_until", moment, nullable=True),
        sa.Column("channel_id", sa.Text(), nullable=True),
        sa.Column("ts", sa.Text(), nullable=True),
        sa.Column("sent_at", moment, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("text_only", sa.Boolean(), nullable=False),
        sa.Column("applied_hash", sa.Text(), nullable=True),
        sa.Column("next_edit_at", moment, nullable=True),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.Column("breakthrough", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("message_queue", "message", ["appid", "status", "priority", "created_at"])
    op.create_index("message_editable", "message", ["appid", "status", "is_final"])
    op.create_index("message_parent", "message", ["parent_id"])
    op.create_table(
        "poll_state",
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("next_poll_at", moment, nullable=False),
        sa.Column("watching_since", moment, nullable=True),
        sa.Column("last_read_at", moment, nullable=True),
        sa.Column("accounts", sa.Integer(), nullable=False),
        sa.Column("empty_polls", sa.Integer(), nullable=False),
        sa.Column("polled_at", moment, nullable=True),
        sa.Column("poll_wait", sa.Integer(), nullable=True),
        sa.Column("failed_polls", sa.Integer(), nullable=False),
        sa.Column("failing_since", moment, nullable=True),
        sa.Column("good_polls", sa.Integer(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=True),
        sa.Column("skewed_polls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("clock_incident", sa.Text(), nullable=True),
        sa.Column("next_post_at", moment, nullable=False),
        sa.Column("paused_at", moment, nullable=True),
        sa.Column("blocked_by", sa.Text(), nullable=True),
        sa.Column("slack_error", sa.Text(), nullable=True),
        sa.Column("slack_error_since", moment, nullable=True),
        sa.Column("slack_refuses", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("slack_reading", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("failing_rows", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("appid"),
    )
    op.create_table(
        "process",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("clock_at", moment, nullable=True),
        sa.Column("role", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", moment, nullable=True),
        sa.Column("receives_commands", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=True),
        sa.Column("rejected", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
