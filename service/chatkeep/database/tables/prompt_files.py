"""Files of prompts, the turns that refer to them, and how much of its quota a user takes."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from chatkeep.database.tables.schema import TIME, metadata

files = Table(
    "files",
    metadata,
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    # By what is in it, whatever its sender called it.
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    # About how many a model is shown of it.
    Column("tokens", Integer, nullable=False),
    Column("created_at", TIME, nullable=False),
    # When to look whether a turn refers to it, and delete it where none does. Null: one did when it was last looked.
    Column("check_at", TIME),
    PrimaryKeyConstraint("user_id", "id"),
    # Not unique: a guest who signs in may bring what the account has already.
    Index(None, "user_id", "sha256"),
    Index("ix_files_check_at", "check_at", postgresql_where=text("check_at IS NOT NULL")),
    comment="Files of prompts; the same bytes of one user are one file.",
)

file_pieces = Table(
    "file_pieces",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("file_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("bytes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("user_id", "file_id", "number"),
    ForeignKeyConstraint(["user_id", "file_id"], ["files.user_id", "files.id"], ondelete="CASCADE"),
    comment="The bytes of files, in order.",
)

turn_files = Table(
    "turn_files",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("turn_id", Uuid, nullable=False),
    Column("file_id", Uuid, nullable=False),
    PrimaryKeyConstraint("user_id", "turn_id", "file_id"),
    ForeignKeyConstraint(["user_id", "turn_id"], ["turns.user_id", "turns.id"], ondelete="CASCADE"),
    # It holds a file's key while a turn begins: a file is deleted under its lock, after a look at this table.
    ForeignKeyConstraint(["user_id", "file_id"], ["files.user_id", "files.id"], ondelete="CASCADE"),
    Index(None, "user_id", "file_id"),
    comment="Which turns refer to which files. A turn without any has no row.",
)

file_usage = Table(
    "file_usage",
    metadata,
    # Not in `user_activity`, which every turn writes.
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    comment="How much of their quota a user's files take, kept as things happen.",
)
