"""Conversations, their turns, and the processes that answer them."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from chatkeep.database.tables.schema import TIME, metadata

replicas = Table(
    "replicas",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("started_at", TIME, nullable=False),
    Column("lease_expires_at", TIME, nullable=False),
    # Which process it is, for others on the same machine: they see at once that it has ended.
    Column("machine", Text),
    Column("pid", Integer),
    Column("process_began_at", TIME),
    # Which rows it keeps for search, see `chatkeep.chat.search.index_queries`; NULL: of a release that may keep none.
    Column("search_version", SmallInteger),
    Index(None, "lease_expires_at"),
    comment="One row a server process. What it was generating when its lease ran out is interrupted.",
)

# The metadata of what was begun through ChatStream's endpoints by who had no login session to remember it.
WITHOUT_SESSION = {"chatstream": "without a session"}
_WITHOUT_SESSION = "metadata ->> 'chatstream' = 'without a session'"

# What began a conversation: a program through `/v1`, one through the AI SDK's protocol, or, as always before, the page.
ORIGIN_CONDITIONS = {
    "api": "metadata ->> 'origin' = 'api'",
    "ui": "metadata ->> 'origin' = 'ui'",
    "page": "coalesce(metadata ->> 'origin', '') NOT IN ('api', 'ui')",
}

conversations = Table(
    "conversations",
    metadata,
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("id", Uuid, nullable=False),
    Column("title", Text),
    Column("system_prompt", Text),
    Column("model", Text),
    Column("params", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'::jsonb"), key="extra"),
    Column("archived", Boolean, nullable=False, server_default=text("false")),
    # Shown above all others; few, see `chatkeep.chat.history.pin_queries`.
    Column("pinned", Boolean, nullable=False, server_default=text("false")),
    Column("head_turn_id", Uuid),
    # The one turn that is being answered; the row's lock makes it one.
    Column("streaming_turn_id", Uuid),
    Column("turn_count", Integer, nullable=False, server_default=text("0")),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    Column("last_turn_at", TIME, nullable=False),
    PrimaryKeyConstraint("user_id", "id"),
    Index(None, "user_id", "last_turn_at", "id"),
    # An administrator opens a conversation by its id alone.
    Index(None, "id"),
    Index("ix_conversations_without_session", "user_id", "id", postgresql_where=text(_WITHOUT_SESSION)),
    Index("ix_conversations_pinned", "user_id", "last_turn_at", "id", postgresql_where=text("pinned")),
    # Each is in one of these: a list of some finds them, however many others there are.
    *(
        Index(f"ix_conversations_origin_{name}", "user_id", "last_turn_at", "id", postgresql_where=text(condition))
        for name, condition in ORIGIN_CONDITIONS.items()
    ),
)

turns = Table(
    "turns",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("conversation_id", Uuid, nullable=False),
    Column("parent_id", Uuid),
    # Distance from the root: 0 for a conversation's first turn.
    Column("position", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("reply", Text),
    Column("model", Text),
    Column("params", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("error_code", Text),
    Column("error_detail", Text),
    Column("rating", SmallInteger),
    Column("comment", Text),
    Column("idempotency_key", Text),
    Column("request_digest", LargeBinary),
    # Somebody asked for its end, on whichever replica.
    Column("stop_requested", Boolean, nullable=False, server_default=text("false")),
    # Of turns of releases that have no `unsettled_turns`, the process that is generating the reply.
    Column("replica_id", Uuid),
    Column("created_at", TIME, nullable=False),
    Column("completed_at", TIME),
    # How the model said that the reply ended: stop, length, content_filter, tool_calls.
    Column("finish_reason", Text),
    # The items of prompt and reply, where they are more than plain text: see chatkeep.chat.items.
    Column("prompt_items", JSONB(none_as_null=True)),
    Column("reply_items", JSONB(none_as_null=True)),
    # Parts of input_tokens and of output_tokens.
    Column("cached_tokens", Integer),
    Column("reasoning_tokens", Integer),
    # How many of the turns before it the model was not shown.
    Column("left_out", Integer),
    # It has no prompt of its own: the model was asked to go on with its parent's reply.
    Column("continues", Boolean),
    PrimaryKeyConstraint("user_id", "id"),
    ForeignKeyConstraint(
        ["user_id", "conversation_id"], ["conversations.user_id", "conversations.id"], ondelete="CASCADE"
    ),
    CheckConstraint(
        "status IN ('streaming', 'complete', 'incomplete', 'stopped', 'failed', 'interrupted')", name="status"
    ),
    CheckConstraint("rating IN (1, -1)", name="rating"),
    Index(None, "user_id", "conversation_id", "position", "id"),
    Index(
        "uq_turns_idempotency_key",
        "user_id",
        "conversation_id",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key IS NOT NULL"),
    ),
    # The administrator's history: newest first, which is the order of ids, alone or by one filter.
    Index(None, "id"),
    Index(None, "conversation_id", "id"),
    Index(None, "model", "id"),
    Index("ix_turns_rated", "rating", "id", postgresql_where=text("rating IS NOT NULL")),
    # What the end of a turn changes is in no index, and half a page is left for it: the row stays where it is.
    postgresql_with={"fillfactor": 50},
)

unsettled_turns = Table(
    "unsettled_turns",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("turn_id", Uuid, nullable=False),
    Column("conversation_id", Uuid, nullable=False),
    # The process that is generating the reply. No foreign key: a turn outlives the process.
    Column("replica_id", Uuid, nullable=False),
    # Null while it is being answered. Then what it is found by is to be made, and the row goes.
    Column("ended_at", TIME),
    PrimaryKeyConstraint("user_id", "turn_id"),
    ForeignKeyConstraint(["user_id", "turn_id"], ["turns.user_id", "turns.id"], ondelete="CASCADE"),
    # Few rows that change all the time, read as a whole every few seconds: so no other index, and cleaned often.
    postgresql_with={"fillfactor": 50, "autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
    comment="Turns that are being answered, and those that ended a moment ago and are not in `turn_search` yet.",
)

unusual_turns = Table(
    "unusual_turns",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("turn_id", Uuid, nullable=False),
    Column("status", Text, nullable=False),
    PrimaryKeyConstraint("user_id", "turn_id"),
    ForeignKeyConstraint(["user_id", "turn_id"], ["turns.user_id", "turns.id"], ondelete="CASCADE"),
    Index(None, "status", "turn_id"),
    comment="Turns that ended in another way than `complete`, for an administrator's filter.",
)

IS_RUNNING = unsettled_turns.c.ended_at.is_(None)
IS_WITHOUT_SESSION = literal_column(_WITHOUT_SESSION, Boolean)

reply_fragments = Table(
    "reply_fragments",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("turn_id", Uuid, nullable=False),
    # How much of the reply comes before: a code point of text or of reasoning counts one, and so does a whole item.
    Column("position", Integer, nullable=False),
    Column("text", Text, nullable=False),
    # Null: the reply's own text. `item`: one item, as JSON. Otherwise reasoning, and the name under which it came.
    Column("kind", Text),
    PrimaryKeyConstraint("user_id", "turn_id", "position"),
    ForeignKeyConstraint(["user_id", "turn_id"], ["turns.user_id", "turns.id"], ondelete="CASCADE"),
    comment="A reply while it is generated, as it came; gone when the turn is finished.",
)

api_turns = Table(
    "api_turns",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("turn_id", Uuid, nullable=False),
    # What the request said beside the prompt, as far as its answer tells it again.
    Column("request", JSONB, nullable=False),
    # Of a prompt that came with its whole history: of all messages up to it, and of the prompt alone.
    Column("path_digest", LargeBinary),
    Column("prompt_digest", LargeBinary),
    PrimaryKeyConstraint("user_id", "turn_id"),
    ForeignKeyConstraint(["user_id", "turn_id"], ["turns.user_id", "turns.id"], ondelete="CASCADE"),
    # The newest of many that were asked the same.
    Index(
        "ix_api_turns_path_digest",
        "user_id",
        "path_digest",
        "turn_id",
        postgresql_where=text("path_digest IS NOT NULL"),
    ),
    Index(
        "ix_api_turns_prompt_digest",
        "user_id",
        "prompt_digest",
        "turn_id",
        postgresql_where=text("prompt_digest IS NOT NULL"),
    ),
    comment="What only the OpenAI-compatible API knows of a turn that came through it.",
)
