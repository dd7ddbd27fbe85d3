"""Link a replaced invitation to the one that replaced it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # An older process may still write rows: what it does not know has a default in the database.
    op.add_column("episode", sa.Column("successor_id", sa.Text(), server_default="", nullable=False))
    op.create_index("episode_successor", "episode", ["successor_id"])
