"""Counters of turns and users, and the notes that become counters."""

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Table, Text, Uuid

from chatkeep.database.tables.schema import TIME, metadata

statistics_notes = Table(
    "statistics_notes",
    metadata,
    # Without a key: written with every turn, read only as a whole, and empty again within seconds.
    Column("user_id", Uuid, nullable=False),
    # The thing that there is one more of: a user, a conversation, or a turn that ended with this status.
    Column("kind", Text, nullable=False),
    Column("model", Text),
    Column("at", TIME, nullable=False),
    Column("duration_ms", Integer),
    Column("first_text_ms", Integer),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    comment="What happened and is not in `statistics` yet.",
)

statistics = Table(
    "statistics",
    metadata,
    Column("hour", TIME, nullable=False),
    # Empty: none, or one that the model server does not offer.
    Column("model", Text, nullable=False),
    Column("measure", Text, nullable=False),
    # Of durations, see chatkeep.statistics.latency; 0 otherwise.
    Column("bucket", Integer, nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour", "model", "measure", "bucket"),
    comment="How often what happened in each hour: no user, no text.",
)
