"""Links that set a password, and users under legal hold by an index

A new table, and a partial index on users. Nothing that there is is rewritten, and the release before passes both by.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "password_links",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('invitation', 'reset')", name=op.f("ck_password_links_kind")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_password_links_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_password_links")),
        sa.UniqueConstraint("user_id", name=op.f("uq_password_links_user_id")),
        comment="Links by which an invited user, or one who forgot the password, sets one: once, and for a day.",
    )
    op.create_index(op.f("ix_password_links_expires_at"), "password_links", ["expires_at"])
    op.create_index("ix_users_held_id", "users", ["id"], postgresql_where=sa.text("legal_hold"))


def downgrade() -> None:
    op.drop_index("ix_users_held_id", table_name="users")
    op.drop_table("password_links")
