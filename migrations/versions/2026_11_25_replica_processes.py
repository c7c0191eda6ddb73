"""Which process a replica is, so that its neighbours see that it has ended"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("replicas", sa.Column("machine", sa.Text(), nullable=True))
    op.add_column("replicas", sa.Column("pid", sa.Integer(), nullable=True))
    op.add_column("replicas", sa.Column("process_began_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("replicas", "process_began_at")
    op.drop_column("replicas", "pid")
    op.drop_column("replicas", "machine")
