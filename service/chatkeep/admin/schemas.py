"""The bodies of administration."""

from collections.abc import Mapping
from typing import Any, Literal, Self
from uuid import UUID

from chatkeep.accounts.schemas import User
from chatkeep.chat.schemas import Conversation, Turn
from chatkeep.http.bodies import Body, Flag
from chatkeep.http.schemas import Time


class ChangeUser(Body):
    role: Literal["user", "admin"] | None = None
    disabled: Flag | None = None
    legal_hold: Flag | None = None


class ListedUser(User):
    disabled: bool
    legal_hold: bool
    conversation_count: int
    turn_count: int
    last_seen_at: Time | None


class AnyConversation(Conversation):
    user_id: UUID
    username: str


class HistoryTurn(Turn):
    """A turn, and whose it is."""

    user_id: UUID
    username: str
    conversation_title: str | None

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        turn = {name: getattr(Turn.from_row(row), name) for name in Turn.model_fields}
        return cls(
            **turn,
            user_id=row["user_id"],
            username=row["username"],
            conversation_title=row["conversation_title"],
        )
