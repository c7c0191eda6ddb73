"""What the OpenAI-compatible API knows of a turn, and what it finds the conversation of a request by

One new table; none that there is is touched.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "api_turns",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("turn_id", sa.Uuid(), nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("path_digest", sa.LargeBinary(), nullable=True),
        sa.Column("prompt_digest", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "turn_id"],
            ["turns.user_id", "turns.id"],
            name=op.f("fk_api_turns_user_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "turn_id", name=op.f("pk_api_turns")),
        comment="What only the OpenAI-compatible API knows of a turn that came through it.",
    )
    for column in ("path_digest", "prompt_digest"):
        op.create_index(
            f"ix_api_turns_{column}",
            "api_turns",
            ["user_id", column, "turn_id"],
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )


def downgrade() -> None:
    op.drop_table("api_turns")
