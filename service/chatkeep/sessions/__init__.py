"""Server-side HTTP sessions: a signed cookie that names a session kept elsewhere.

A library of its own: it knows nothing of users or chats, and without `DatabaseStore` it needs no database. The cookie
holds a random secret and a signature; a store knows only the secret's digest, so that neither a copy of the store nor
a guess opens a session.

    app.add_middleware(FasterSessionMiddleware, secret_key=…, store=MemoryStore(), http_only=True, secure=True)

See docs/sessions.md.
"""

from typing import TYPE_CHECKING

from chatkeep.sessions.cookies import SessionCookie, SignedCookie, digest_of, new_secret
from chatkeep.sessions.errors import AnswerBegun, CannotKeep, SessionEnded
from chatkeep.sessions.fastsession_store import AdaptedStore
from chatkeep.sessions.http_session import HttpSession, http_session
from chatkeep.sessions.listeners import SessionListener
from chatkeep.sessions.memory_store import MemoryStore
from chatkeep.sessions.middleware import FasterSessionMiddleware, FastSessionMiddleware
from chatkeep.sessions.store import Changes, SessionLimits, SessionStore, StoredSession

if TYPE_CHECKING:
    from chatkeep.sessions.database_store import DatabaseStore

__all__ = [
    "AdaptedStore",
    "AnswerBegun",
    "CannotKeep",
    "Changes",
    "DatabaseStore",
    "FastSessionMiddleware",
    "FasterSessionMiddleware",
    "HttpSession",
    "MemoryStore",
    "SessionCookie",
    "SessionEnded",
    "SessionLimits",
    "SessionListener",
    "SessionStore",
    "SignedCookie",
    "StoredSession",
    "digest_of",
    "http_session",
    "new_secret",
]


def __getattr__(name: str) -> object:
    """Import `DatabaseStore`, and with it SQLAlchemy, only for who asks for it."""
    if name == "DatabaseStore":
        from chatkeep.sessions.database_store import DatabaseStore  # noqa: PLC0415

        return DatabaseStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
