"""What turns are called where they come from

A new table; none that there is is touched. Conversations that were imported before have no rows in it, and are not
continued by a longer export.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "imported_turns",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("turn_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "turn_id"],
            ["turns.user_id", "turns.id"],
            name=op.f("fk_imported_turns_user_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "conversation_id", "source_id", name=op.f("pk_imported_turns")),
        comment="What turns are called where they come from, so that a longer export adds what is new.",
    )
    op.create_index(op.f("ix_imported_turns_user_id_turn_id"), "imported_turns", ["user_id", "turn_id"])


def downgrade() -> None:
    op.drop_table("imported_turns")
