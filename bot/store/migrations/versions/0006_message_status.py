"""Messages of all accounts by their status: those that wait, were dropped or are kept up to date."""

from alembic import op

revision = "0006_message_status"
down_revision = "0005_accounts"


def upgrade() -> None:
    op.create_index("message_status", "message", ["status", "is_final", "created_at"])
