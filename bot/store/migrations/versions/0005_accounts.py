"""Official Accounts that commands add, their sealed secrets, and requests to read the file again."""

import sqlalchemy as sa
from alembic import op

revision = "0005_accounts"
down_revision = "0004_polls"

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "secret",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("owner", "name"),
    )
    op.create_index("secret_key", "secret", ["key_id", "owner", "name"])
    op.add_column("tenant", sa.Column("reason", sa.Text(), nullable=False, server_default=""))
    for name in ("source", "channel", "mention"):
        op.add_column("tenant", sa.Column(name, sa.Text()))
    for name in ("policy", "viewers", "labels"):
        op.add_column("tenant", sa.Column(name, sa.JSON()))
    op.add_column("tenant", sa.Column("removed_at", moment))
    op.create_index("tenant_changed", "tenant", ["origin", "changed_at"])
    op.add_column("process", sa.Column("reload_at", moment))
