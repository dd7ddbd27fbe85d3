"""One notice for several Official Accounts: the table source, and which notice reports an incident."""

import sqlalchemy as sa
from alembic import op

revision = "0008_source"
down_revision = "0007_channels"

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "source",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("failed_polls", sa.Integer(), nullable=False),
        sa.Column("failing", sa.JSON(), nullable=False),
        sa.Column("since", moment),
        sa.Column("probe_at", moment),
        sa.Column("good_polls", sa.Integer(), nullable=False),
        sa.Column("incident", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("episode", sa.Column("notice_id", sa.Text()))
    op.create_index("episode_notice", "episode", ["notice_id"])
