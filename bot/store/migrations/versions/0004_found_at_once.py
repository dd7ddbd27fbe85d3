"""What is open, and the newest of a seat, found without a look at all that is over."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index("episode_open", "episode", ["appid", "kind", "latest", "state"])
    op.create_index("episode_newest", "episode", ["appid", "kind", "latest", "seat"])
