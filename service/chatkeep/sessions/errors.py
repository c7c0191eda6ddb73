"""Errors of sessions, in the service's one tree of errors."""

from chatkeep.errors import ChatkeepError, Conflict, InvalidText


class SessionEnded(Conflict):
    """The session was ended: here by `invalidate()`, by another request, or by time."""

    code = "session_ended"

    def __init__(self, detail: str = "This session has ended.") -> None:
        super().__init__(detail)


class AnswerBegun(ChatkeepError):
    """A new id needs a cookie, and the headers have already been sent."""

    code = "answer_begun"


class CannotKeep(ChatkeepError):
    """An attribute's value is of a kind that the store cannot keep."""

    code = "cannot_keep_attribute"


class CannotKeepText(InvalidText):
    """An attribute holds U+0000 or a lone surrogate, which PostgreSQL cannot keep."""
