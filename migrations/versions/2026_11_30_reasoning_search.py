"""What reasoning is found by, beside what turns are found by: only turns with reasoning have it

No table is read or rewritten: no turn has reasoning before the release that brings this. Where one has all the same,
`chatkeep search reindex` finds it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

PENDING = sa.text("lexemes IS NULL")


def upgrade() -> None:
    op.create_table(
        "reasoning_search",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("turn_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("lexemes", postgresql.TSVECTOR(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "turn_id"],
            ["turns.user_id", "turns.id"],
            name=op.f("fk_reasoning_search_user_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "turn_id", "part", name=op.f("pk_reasoning_search")),
        comment="What the reasoning of each finished turn is found by; turns without reasoning have none.",
    )
    op.create_index("ix_reasoning_search_pending", "reasoning_search", ["user_id", "turn_id"], postgresql_where=PENDING)
    op.create_index(op.f("ix_reasoning_search_turn_id_part"), "reasoning_search", ["turn_id", "part"])
    op.create_index(
        op.f("ix_reasoning_search_lexemes"),
        "reasoning_search",
        ["lexemes"],
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": 512},
    )


def downgrade() -> None:
    op.drop_table("reasoning_search")
