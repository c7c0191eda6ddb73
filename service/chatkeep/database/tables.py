"""Every table, as SQLAlchemy sees it. `migrations/` makes them; a test holds the two equal.

Rules that all of them keep: no extension, no trigger; whatever holds a user's content leads with `user_id`
in its primary key, its foreign keys and its indexes; ids are UUIDv7 made by the application; times are
`timestamptz`. Nothing but `users` is unique without its user, so that the tables can be distributed by user.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

TIME = DateTime(timezone=True)

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("username", Text, nullable=False),
    # NFKC and case folded: one identity per name, however it is typed.
    Column("username_key", Text, nullable=False, unique=True),
    # Null where no password can sign this account in.
    Column("password_hash", Text),
    Column("email", Text),
    Column("display_name", Text),
    Column("role", Text, nullable=False, server_default="user"),
    Column("is_guest", Boolean, nullable=False, server_default=text("false")),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", TIME, nullable=False),
    # What this user has may not be deleted, by nobody.
    Column("legal_hold", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("role IN ('user', 'admin')", name="role"),
    # Pairs of neighbouring characters of the names, so that a part of a name is found by index.
    Column("name_pairs", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # What names are compared by that look alike. Null for guests, and for accounts from before until it is filled in.
    Column("name_skeletons", ARRAY(LargeBinary)),
    # The administrator's list: newest first, filtered by role, by disabled or by part of a name.
    Index(None, "name_pairs", postgresql_using="gin"),
    Index(None, "role", "id"),
    Index("ix_users_disabled_id", "id", postgresql_where=text("disabled")),
    # Guests to sweep away, oldest first.
    # At once and not in a list that each look-up reads through: whether a name is free is asked for each new account.
    Index(
        None,
        "name_skeletons",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        postgresql_where=text("name_skeletons IS NOT NULL"),
    ),
    Index("ix_users_no_skeletons_id", "id", postgresql_where=text("name_skeletons IS NULL AND NOT is_guest")),
    Index("ix_users_guest_id", "id", postgresql_where=text("is_guest")),
)

user_activity = Table(
    "user_activity",
    metadata,
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("conversation_count", BigInteger, nullable=False, server_default=text("0")),
    Column("turn_count", BigInteger, nullable=False, server_default=text("0")),
    Column("last_seen_at", TIME),
    comment="Counters kept as things happen, so that no list counts rows.",
)

login_sessions = Table(
    "login_sessions",
    metadata,
    # SHA-256 of the secret in the cookie: who reads this table cannot sign in with it.
    Column("digest", LargeBinary, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE")),
    Column("data", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("remember", Boolean, nullable=False, server_default=text("false")),
    # After a change of role: the next request gets a new secret.
    Column("renew", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", TIME, nullable=False),
    Column("last_seen_at", TIME, nullable=False),
    Column("expires_at", TIME, nullable=False),
    Column("ip", Text),
    Column("user_agent", Text),
    # Of sessions without a user (chatkeep.sessions.database_store), whose expires_at moves as they are used: seconds
    # without use after which each ends, 0 for no such limit, and when it ends at the latest.
    Column("max_inactive_seconds", Integer),
    Column("ends_at", TIME),
    Index(None, "user_id", "id"),
    Index(None, "expires_at"),
    Index(None, "last_seen_at"),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("last_used_at", TIME),
    Column("expires_at", TIME),
    Index(None, "user_id", "id"),
    Index(None, "expires_at"),
)

login_attempts = Table(
    "login_attempts",
    metadata,
    # SHA-256 of the counted name or place: people type passwords into the name field.
    Column("bucket", LargeBinary, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("window_ends_at", TIME, nullable=False),
    Index(None, "window_ends_at"),
)

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
    # Of the lexemes that it keeps of turns; NULL: code from before this column, which may keep none.
    Column("search_version", SmallInteger),
    Index(None, "lease_expires_at"),
    comment="One row a server process. What it was generating when its lease ran out is interrupted.",
)

# The metadata of what was begun through ChatStream's endpoints by who had no login session to remember it.
WITHOUT_SESSION = {"chatstream": "without a session"}
_WITHOUT_SESSION = "metadata ->> 'chatstream' = 'without a session'"

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
    # Who is generating the reply, and null once it has ended; not a foreign key, since a turn outlives the process.
    Column("replica_id", Uuid),
    Column("created_at", TIME, nullable=False),
    Column("completed_at", TIME),
    # How the model said that the reply ended: stop, length, content_filter, tool_calls.
    Column("finish_reason", Text),
    # What prompt and reply are made of, where that is more than plain text: see chatkeep.chat.items.
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
    Index("ix_turns_streaming", "replica_id", postgresql_where=text("status = 'streaming'")),
    # The administrator's history: newest first, which is the order of ids, alone or by one filter.
    Index(None, "id"),
    Index(None, "conversation_id", "id"),
    Index(None, "model", "id"),
    Index("ix_turns_unusual_status", "status", "id", postgresql_where=text("status <> 'complete'")),
    Index("ix_turns_rated", "rating", "id", postgresql_where=text("rating IS NOT NULL")),
)

# With constants: a statement that took the status as a parameter could be run with another one, so PostgreSQL would
# not use `ix_turns_streaming` for it and read every turn there is.
IS_STREAMING = turns.c.status == literal_column("'streaming'")
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

statistics_notes = Table(
    "statistics_notes",
    metadata,
    # Without a key: written with every turn, read only as a whole, and empty again within seconds.
    Column("user_id", Uuid, nullable=False),
    # What there is one more of: a user, a conversation, or a turn that ended with this status.
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
        # What waits to be merged into the index is read whole by every search, so it is kept short.
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

AUDIT_CHAINS = 8

audit_chains = Table(
    "audit_chains",
    metadata,
    Column("chain", SmallInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False, server_default=text("0")),
    Column("hash", LargeBinary, nullable=False),
    # By the id of the key that made each.
    Column("seals", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    comment="Where each chain of audit_events ends; a row's lock gives out the next place in its chain.",
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("chain", SmallInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Uuid),
    Column("subject_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'::uuid[]")),
    Column("reason", Text),
    Column("address", Text),
    Column("request_id", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    # Now and then, where all chains ended as this row was written.
    Column("heads", JSONB(none_as_null=True)),
    UniqueConstraint("chain", "seq"),
    CheckConstraint(f"chain >= 0 AND chain < {AUDIT_CHAINS}", name="chain"),
    CheckConstraint("seq > 0", name="seq"),
    Index(None, "actor_id", "id"),
    Index(None, "action", "id"),
    comment="Who did or read what. Rows are added and never changed: the owner has no right to.",
)

audit_subjects = Table(
    "audit_subjects",
    metadata,
    Column("subject_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    # Somebody else looked at what the subject wrote.
    Column("is_read", Boolean, nullable=False),
    PrimaryKeyConstraint("subject_id", "event_id"),
    Index("ix_audit_subjects_reads", "subject_id", "event_id", postgresql_where=text("is_read")),
    comment="By which account an event is found: audit_events.subject_ids, as an index.",
)

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
