"""Users, how they sign in, and how often somebody tried."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chatkeep.database.tables.schema import TIME, metadata

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
    # Nobody may delete this user's data.
    Column("legal_hold", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("role IN ('user', 'admin')", name="role"),
    # Pairs of neighbouring characters of the names, so that a part of a name is found by index.
    Column("name_pairs", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # Skeletons, by which names that look alike are found. Null for guests, and for older accounts until filled in.
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
    Index("ix_users_held_id", "id", postgresql_where=text("legal_hold")),
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
    # By default all: what tokens may do that were made before scopes, or are made by the release before.
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{chat,read,import,account,admin}'")),
    Index(None, "user_id", "id"),
    Index(None, "expires_at"),
)

password_links = Table(
    "password_links",
    metadata,
    # SHA-256 of the secret in the link: who reads this table, or a backup of it, cannot take over an account with it.
    Column("digest", LargeBinary, primary_key=True),
    # One at a time: a new link ends the one before it.
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("expires_at", TIME, nullable=False),
    CheckConstraint("kind IN ('invitation', 'reset')", name="kind"),
    Index(None, "expires_at"),
    comment="Links by which an invited user, or one who forgot the password, sets one: once, and for a day.",
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
