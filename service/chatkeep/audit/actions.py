"""The acts that are on record: one word for each kind."""

from enum import StrEnum


class Action(StrEnum):
    """An act. Its subjects are the accounts that it was done to; mostly the actor's own."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    ACCOUNT_CREATED = "account_created"
    GUEST_BEGAN = "guest_began"
    GUEST_MOVED = "guest_moved"
    USER_DELETED = "user_deleted"
    USER_DISABLED = "user_disabled"
    USER_ENABLED = "user_enabled"
    LEGAL_HOLD_BEGAN = "legal_hold_began"
    LEGAL_HOLD_ENDED = "legal_hold_ended"
    ROLE_CHANGED = "role_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  the name of an act
    PASSWORD_CHECK_FAILED = "password_check_failed"  # noqa: S105  the name of an act
    PASSWORD_LINK_CREATED = "password_link_created"  # noqa: S105  the name of an act
    TURN_STOPPED = "turn_stopped"
    SESSION_ENDED = "session_ended"
    SESSIONS_ENDED = "sessions_ended"
    TOKEN_CREATED = "token_created"  # noqa: S105  the name of an act
    TOKEN_DELETED = "token_deleted"  # noqa: S105  the name of an act
    CONVERSATION_DELETED = "conversation_deleted"
    TURN_DELETED = "turn_deleted"
    HISTORY_READ = "history_read"
    CONVERSATION_READ = "conversation_read"
    FILE_READ = "file_read"
    HISTORY_EXPORTED = "history_exported"
    EXPORTED = "exported"
    IMPORTED = "imported"
    RETENTION_DELETED = "retention_deleted"
    RETENTION_RUN = "retention_run"
    USERS_LISTED = "users_listed"
    STATISTICS_READ = "statistics_read"
    AUDIT_READ = "audit_read"
    AUDIT_VERIFIED = "audit_verified"
    BACKED_UP = "backed_up"
    RESTORED = "restored"
    AUDIT_EXPORTED = "audit_exported"
    TRAIL_SEALED = "trail_sealed"


# Somebody looked at what somebody else wrote: its owner can ask who that was.
READS = frozenset({Action.HISTORY_READ, Action.CONVERSATION_READ, Action.FILE_READ, Action.HISTORY_EXPORTED})
