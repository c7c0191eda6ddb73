"""Where imported conversations come from"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "imported_conversations",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "conversation_id"],
            ["conversations.user_id", "conversations.id"],
            name=op.f("fk_imported_conversations_user_id_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "source", "source_id", name=op.f("pk_imported_conversations")),
        comment="What a conversation is called where it comes from, so that importing it again adds nothing.",
    )
    op.create_index(
        op.f("ix_imported_conversations_user_id_conversation_id"),
        "imported_conversations",
        ["user_id", "conversation_id"],
    )


def downgrade() -> None:
    op.drop_table("imported_conversations")
