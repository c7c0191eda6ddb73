"""A session in the hands of one request: its stored state, the changes, and the cookie that is yet to be sent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from chatkeep.sessions.attributes import Attributes
from chatkeep.sessions.cookies import digest_of, new_secret
from chatkeep.sessions.identity_keys import Identities
from chatkeep.sessions.store import Changes, StoredSession

CookieStep: TypeAlias = Literal["none", "set", "clear"]


def session_id_of(secret: str) -> str:
    """Return the id under which stores know the session of this secret."""
    return digest_of(secret).hex()


@dataclass(slots=True)
class OpenSession:
    """One request's session.

    Args:
        stored: as it was loaded; None until something is kept.
        secret: the value of the cookie, sent or to be sent.
        identities: the signed-in users, by the stored state.
        new_secret: the one that is to take its place.
        cookie_step: what the answer's headers are to do with the browser's cookie.
        answer_begun: the headers are sent, so that no cookie can go out any more.
        detached: nothing is loaded or kept; the request was told to skip sessions.
    """

    stored: StoredSession | None
    secret: str
    opened_at: datetime
    attributes: Attributes
    max_inactive_seconds: int
    identities: Identities
    new_secret: str | None = None
    cookie_step: CookieStep = "none"
    invalidated: bool = False
    save_asked: bool = False
    answer_begun: bool = False
    detached: bool = False

    @property
    def session_id(self) -> str:
        return session_id_of(self.new_secret or self.secret)

    def changes(self) -> Changes:
        """Return the changes of the request that are not saved yet."""
        changes = self.attributes.changes()
        if self.stored is None or self.max_inactive_seconds == self.stored.max_inactive_seconds:
            return changes
        return Changes(changes.written, changes.removed, self.max_inactive_seconds)

    def begin_anew(self) -> None:
        """Go on as a session that nobody knows yet."""
        self.stored = None
        self.secret, self.new_secret = self.new_secret or new_secret(), None
