"""What turns are found by, in the order of time"""

from collections.abc import Sequence

from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(op.f("ix_turn_search_turn_id_part"), "turn_search", ["turn_id", "part"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_turn_search_turn_id_part"), table_name="turn_search")
