"""Which of a user's conversations were begun without a login session"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_conversations_without_session",
        "conversations",
        ["user_id", "id"],
        unique=False,
        postgresql_where=sa.text("metadata ->> 'chatstream' = 'without a session'"),
    )


def downgrade() -> None:
    op.drop_index("ix_conversations_without_session", table_name="conversations")
