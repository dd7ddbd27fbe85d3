"""Store which requests a process has rejected lately, for doctor and for the other processes."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("process", sa.Column("rejected", sa.JSON(), nullable=True))
