"""Files: what prompts refer to, in pieces

Four new tables; none that there is is touched.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("check_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_files_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_files")),
        comment="Files of prompts; the same bytes of one user are one file.",
    )
    op.create_index(op.f("ix_files_user_id_sha256"), "files", ["user_id", "sha256"])
    op.create_index("ix_files_check_at", "files", ["check_at"], postgresql_where=sa.text("check_at IS NOT NULL"))
    op.create_table(
        "file_pieces",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "file_id"],
            ["files.user_id", "files.id"],
            name=op.f("fk_file_pieces_user_id_file_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "file_id", "number", name=op.f("pk_file_pieces")),
        comment="The bytes of files, in order.",
    )
    op.create_table(
        "turn_files",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("turn_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "turn_id"],
            ["turns.user_id", "turns.id"],
            name=op.f("fk_turn_files_user_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "file_id"],
            ["files.user_id", "files.id"],
            name=op.f("fk_turn_files_user_id_file_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "turn_id", "file_id", name=op.f("pk_turn_files")),
        comment="Which turns refer to which files. A turn without any has no row.",
    )
    op.create_index(op.f("ix_turn_files_user_id_file_id"), "turn_files", ["user_id", "file_id"])
    op.create_table(
        "file_usage",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_file_usage_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_file_usage")),
        comment="How much of their quota a user's files take, kept as things happen.",
    )


def downgrade() -> None:
    """Take the tables away, and all files with them; prompts keep the names of theirs."""
    op.drop_table("file_usage")
    op.drop_table("turn_files")
    op.drop_table("file_pieces")
    op.drop_table("files")
