"""The third-party platform: its ticket, the leases of access tokens, and the accounts that authorise it."""

import sqlalchemy as sa
from alembic import op

revision = "0009_platform"
down_revision = "0008_source"

moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "token",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text()),
        sa.Column("expires_at", moment),
        sa.Column("life", sa.Integer()),
        sa.Column("lease_until", moment),
        sa.Column("fence", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("next_try_at", moment),
        sa.Column("errcode", sa.Integer()),
        sa.PrimaryKeyConstraint("owner", "kind"),
    )
    op.create_table(
        "platform",
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("ticket_at", moment),
        sa.Column("pushed_at", moment),
        sa.Column("started_at", moment),
        sa.Column("listed_at", moment),
        sa.Column("listing_until", moment),
        sa.Column("refused_at", moment),
        sa.Column("rival_at", moment),
        sa.Column("fault", sa.JSON()),
        sa.Column("fault_at", moment),
        sa.Column("next_call_at", moment),
        sa.Column("incident", sa.Text()),
        sa.PrimaryKeyConstraint("appid"),
    )
    for name, kind in (
        ("platform_appid", sa.Text()),
        ("kind", sa.Text()),
        ("sets", sa.JSON()),
        ("account_status", sa.Integer()),
        ("event_at", moment),
        ("event_kinds", sa.Text()),
        ("code_until", moment),
        ("duty_at", moment),
        ("refused_since", moment),
        ("code_lost_at", moment),
        ("missed_lists", sa.Integer()),
        ("requested_by", sa.Text()),
    ):
        op.add_column("tenant", sa.Column(name, kind))
    op.create_index("tenant_duty", "tenant", ["duty_at"])
