"""Keep what the clock of each process shows."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("process", sa.Column("clock_at", sa.DateTime(timezone=True), nullable=True))
