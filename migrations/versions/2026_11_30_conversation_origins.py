"""Which conversations programs began, and which the page did, newest first

Three partial indexes, and each conversation is in one of them.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

CONDITIONS = {
    "api": "metadata ->> 'origin' = 'api'",
    "ui": "metadata ->> 'origin' = 'ui'",
    "page": "coalesce(metadata ->> 'origin', '') NOT IN ('api', 'ui')",
}


def upgrade() -> None:
    for name, condition in CONDITIONS.items():
        op.create_index(
            f"ix_conversations_origin_{name}",
            "conversations",
            ["user_id", "last_turn_at", "id"],
            unique=False,
            postgresql_where=sa.text(condition),
        )


def downgrade() -> None:
    for name in CONDITIONS:
        op.drop_index(f"ix_conversations_origin_{name}", table_name="conversations")
