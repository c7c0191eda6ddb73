"""Limits of their own for sessions without a user"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    # Without a default, so that no row is rewritten while others wait for the table.
    op.add_column("login_sessions", sa.Column("max_inactive_seconds", sa.Integer(), nullable=True))
    op.add_column("login_sessions", sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("login_sessions", "ends_at")
    op.drop_column("login_sessions", "max_inactive_seconds")
