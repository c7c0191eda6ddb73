"""Conversations that their users pinned

A column with a default, which rewrites no row, and a partial index of the few that are pinned.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("conversations", sa.Column("pinned", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_conversations_pinned",
        "conversations",
        ["user_id", "last_turn_at", "id"],
        unique=False,
        postgresql_where=sa.text("pinned"),
    )


def downgrade() -> None:
    op.drop_index("ix_conversations_pinned", table_name="conversations")
    op.drop_column("conversations", "pinned")
