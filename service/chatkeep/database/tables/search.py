"""The lexemes of turns, by which a search finds them.

Those of the release before are in tables of their own until they have been made anew, see
`chatkeep.chat.search.older`.
"""

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

from chatkeep.database.tables.schema import metadata


def _entries(name: str, comment: str) -> Table:
    return Table(
        name,
        metadata,
        Column("user_id", Uuid, nullable=False),
        Column("turn_id", Uuid, nullable=False),
        # Of the code that made the lexemes; a turn of an older one may not be found.
        Column("version", SmallInteger, nullable=False),
        # NULL: to be made yet, by any replica, from the turn's own row.
        Column("lexemes", ARRAY(Integer)),
        PrimaryKeyConstraint("user_id", "turn_id"),
        ForeignKeyConstraint(["user_id", "turn_id"], ["turns.user_id", "turns.id"], ondelete="CASCADE"),
        # The list that waits to be merged into the index is read whole by every search, so it is kept short.
        Index(None, "lexemes", postgresql_using="gin", postgresql_with={"gin_pending_list_limit": 512}),
        # For walking from the newest of all users, see chatkeep.chat.search.search.
        Index(None, "turn_id"),
        Index(f"ix_{name}_pending", "user_id", "turn_id", postgresql_where=text("lexemes IS NULL")),
        comment=comment,
    )


turn_entries = _entries("turn_entries", "What each finished turn is found by.")
reasoning_entries = _entries(
    "reasoning_entries",
    "What the reasoning of each finished turn is found by; turns without reasoning have none.",
)


def _search_entries(name: str, comment: str) -> Table:
    return Table(
        name,
        metadata,
        Column("user_id", Uuid, nullable=False),
        Column("turn_id", Uuid, nullable=False),
        # One is enough for all but very long turns: a tsvector holds at most 1 MB.
        Column("part", Integer, nullable=False),
        Column("parts", Integer, nullable=False, server_default=text("1")),
        # Of the code that made the lexemes; a turn of an older one may not be found.
        Column("version", SmallInteger, nullable=False),
        # NULL: to be made yet, by any replica, from the turn's own row.
        Column("lexemes", TSVECTOR),
        PrimaryKeyConstraint("user_id", "turn_id", "part"),
        ForeignKeyConstraint(["user_id", "turn_id"], ["turns.user_id", "turns.id"], ondelete="CASCADE"),
        # The list that waits to be merged into the index is read whole by every search, so it is kept short.
        Index(None, "lexemes", postgresql_using="gin", postgresql_with={"gin_pending_list_limit": 512}),
        # For walking from the newest of all users, see chatkeep.chat.search.search.
        Index(None, "turn_id", "part"),
        Index(f"ix_{name}_pending", "user_id", "turn_id", postgresql_where=text("lexemes IS NULL")),
        comment=comment,
    )


turn_search = _search_entries("turn_search", "What each finished turn is found by.")
reasoning_search = _search_entries(
    "reasoning_search",
    "What the reasoning of each finished turn is found by; turns without reasoning have none.",
)

# The audit trail is in nobody's name and goes with nobody: ids without foreign keys outlive what they name. None of
# these tables is distributed.
