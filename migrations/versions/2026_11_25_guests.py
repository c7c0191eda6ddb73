"""Guests found by index when they are to be swept away"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("ix_users_guest_id", "users", ["id"], postgresql_where=sa.text("is_guest"))


def downgrade() -> None:
    op.drop_index("ix_users_guest_id", "users")
