"""The pace, the pause and the state of a channel move to its row; messages know their channel."""

import sqlalchemy as sa
from alembic import op

revision = "0007_channels"
down_revision = "0006_message_status"

moment = sa.DateTime(timezone=True)

# A migration does not know the settings, but the newest message of an account shows where it posts. An account that
# has posted nothing finds out by its next attempt, which is due at once, whether Slack still refuses its channel.
COPY = """
    INSERT INTO channel (id, next_post_at, paused_at, blocked_by, slack_error, slack_error_since, slack_reading)
    SELECT newest.channel_id, poll_state.next_post_at, poll_state.paused_at, poll_state.blocked_by,
        poll_state.slack_error, poll_state.slack_error_since, poll_state.slack_reading
    FROM poll_state JOIN message AS newest ON newest.id = (
        SELECT id FROM message
        WHERE appid = poll_state.appid AND channel_id IS NOT NULL ORDER BY sent_at DESC, id LIMIT 1
    )
    WHERE true
    ON CONFLICT (id) DO NOTHING
"""


def upgrade() -> None:
    op.add_column("channel", sa.Column("paused_at", moment, nullable=True))
    op.add_column("channel", sa.Column("blocked_by", sa.Text(), nullable=True))
    op.add_column("channel", sa.Column("slack_error", sa.Text(), nullable=True))
    op.add_column("channel", sa.Column("slack_error_since", moment, nullable=True))
    op.add_column("channel", sa.Column("slack_reading", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("channel", sa.Column("block_reported_at", moment, nullable=True))
    op.add_column("channel", sa.Column("next_edit_at", moment, nullable=True))
    op.add_column("message", sa.Column("target", sa.Text(), nullable=False, server_default=""))
    op.create_index("message_target", "message", ["target", "status", "priority", "created_at"])
    op.execute(COPY)
