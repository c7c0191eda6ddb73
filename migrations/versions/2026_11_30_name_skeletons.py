"""What names are compared by that look alike"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    # Without a default, so that no row is rewritten. The service fills it in when it runs.
    op.add_column("users", sa.Column("name_skeletons", postgresql.ARRAY(sa.LargeBinary()), nullable=True))
    # No row is in it yet.
    op.create_index(
        op.f("ix_users_name_skeletons"),
        "users",
        ["name_skeletons"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        postgresql_where=sa.text("name_skeletons IS NOT NULL"),
    )
    op.create_index(
        "ix_users_no_skeletons_id",
        "users",
        ["id"],
        unique=False,
        postgresql_where=sa.text("name_skeletons IS NULL AND NOT is_guest"),
    )


def downgrade() -> None:
    op.drop_index("ix_users_no_skeletons_id", table_name="users")
    op.drop_index(op.f("ix_users_name_skeletons"), table_name="users")
    op.drop_column("users", "name_skeletons")
