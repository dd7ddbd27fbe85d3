"""Count invitations that have person and deadline in common."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # An older process may still write rows: what it does not know has a default in the database.
    op.add_column("episode", sa.Column("repetition", sa.Integer(), server_default="0", nullable=False))
