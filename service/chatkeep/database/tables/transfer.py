"""The names that imported conversations have where they come from."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table, Text, Uuid

from chatkeep.database.tables.schema import TIME, metadata

imported_conversations = Table(
    "imported_conversations",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("conversation_id", Uuid, nullable=False),
    Column("imported_at", TIME, nullable=False),
    PrimaryKeyConstraint("user_id", "source", "source_id"),
    # A deleted conversation may be imported again.
    ForeignKeyConstraint(
        ["user_id", "conversation_id"], ["conversations.user_id", "conversations.id"], ondelete="CASCADE"
    ),
    Index(None, "user_id", "conversation_id"),
    comment="What a conversation is called where it comes from, so that importing it again adds nothing.",
)

imported_turns = Table(
    "imported_turns",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("conversation_id", Uuid, nullable=False),
    # Of its last message.
    Column("source_id", Text, nullable=False),
    Column("turn_id", Uuid, nullable=False),
    PrimaryKeyConstraint("user_id", "conversation_id", "source_id"),
    ForeignKeyConstraint(["user_id", "turn_id"], ["turns.user_id", "turns.id"], ondelete="CASCADE"),
    Index(None, "user_id", "turn_id"),
    comment="What turns are called where they come from, so that a longer export adds what is new.",
)
