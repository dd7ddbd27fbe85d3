"""Keep the accounts whose rows fail, for people to see."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("meta", sa.Column("failing_rows", sa.JSON(), nullable=True))
