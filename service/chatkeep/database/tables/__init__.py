"""Every table, as SQLAlchemy sees it. `migrations/` makes them; a test holds the two equal.

Rules that all of them keep: no extension, no trigger; whatever holds a user's content leads with `user_id`
in its primary key, its foreign keys and its indexes; ids are UUIDv7 made by the application; times are
`timestamptz`. Nothing but `users` is unique without its user, so that the tables can be distributed by user.
"""

from chatkeep.database.tables.accounts import (
    access_tokens,
    login_attempts,
    login_sessions,
    password_links,
    user_activity,
    users,
)
from chatkeep.database.tables.audit import AUDIT_CHAINS, audit_chains, audit_events, audit_subjects
from chatkeep.database.tables.chat import (
    IS_RUNNING,
    IS_WITHOUT_SESSION,
    ORIGIN_CONDITIONS,
    WITHOUT_SESSION,
    api_turns,
    conversations,
    replicas,
    reply_fragments,
    turns,
    unsettled_turns,
    unusual_turns,
)
from chatkeep.database.tables.counters import statistics, statistics_notes
from chatkeep.database.tables.prompt_files import file_pieces, file_usage, files, turn_files
from chatkeep.database.tables.schema import TIME, metadata
from chatkeep.database.tables.search import reasoning_entries, reasoning_search, turn_entries, turn_search
from chatkeep.database.tables.transfer import imported_conversations, imported_turns

__all__ = [
    "AUDIT_CHAINS",
    "IS_RUNNING",
    "IS_WITHOUT_SESSION",
    "ORIGIN_CONDITIONS",
    "TIME",
    "WITHOUT_SESSION",
    "access_tokens",
    "api_turns",
    "audit_chains",
    "audit_events",
    "audit_subjects",
    "conversations",
    "file_pieces",
    "file_usage",
    "files",
    "imported_conversations",
    "imported_turns",
    "login_attempts",
    "login_sessions",
    "metadata",
    "password_links",
    "reasoning_entries",
    "reasoning_search",
    "replicas",
    "reply_fragments",
    "statistics",
    "statistics_notes",
    "turn_entries",
    "turn_files",
    "turn_search",
    "turns",
    "unsettled_turns",
    "unusual_turns",
    "user_activity",
    "users",
]
