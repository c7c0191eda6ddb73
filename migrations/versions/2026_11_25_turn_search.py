"""What turns are found by"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "turn_search",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("turn_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("lexemes", postgresql.TSVECTOR(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "turn_id"],
            ["turns.user_id", "turns.id"],
            name=op.f("fk_turn_search_user_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "turn_id", "part", name=op.f("pk_turn_search")),
        comment="What each finished turn is found by.",
    )
    # The turns that there are already: the service makes their lexemes when it runs.
    op.execute(
        "INSERT INTO turn_search (user_id, turn_id, part, version) "
        "SELECT user_id, id, 0, 0 FROM turns WHERE status <> 'streaming'"
    )
    op.create_index(
        "ix_turn_search_pending",
        "turn_search",
        ["user_id", "turn_id"],
        unique=False,
        postgresql_where=sa.text("lexemes IS NULL"),
    )
    op.create_index(
        op.f("ix_turn_search_lexemes"),
        "turn_search",
        ["lexemes"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": 512},
    )


def downgrade() -> None:
    op.drop_index(
        op.f("ix_turn_search_lexemes"),
        table_name="turn_search",
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": 512},
    )
    op.drop_index("ix_turn_search_pending", table_name="turn_search", postgresql_where=sa.text("lexemes IS NULL"))
    op.drop_table("turn_search")
