"""Which lexemes a replica keeps of turns, so that those of older code are looked for while it is at work"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    # Without a default: NULL is what older code leaves there.
    op.add_column("replicas", sa.Column("search_version", sa.SmallInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("replicas", "search_version")
