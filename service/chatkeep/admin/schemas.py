"""The bodies of administration."""

from typing import Annotated, Literal, Self
from uuid import UUID

from chatkeep.accounts.schemas import Email, Token, User, Username
from chatkeep.admin.history_queries import HistoryRecord
from chatkeep.chat.schemas import Conversation, Turn
from chatkeep.http.bodies import Body, Flag
from chatkeep.http.schemas import Answer, Time, one_of


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


class InviteUser(Body):
    username: Username
    email: Email | None = None
    role: Literal["user", "admin"] = "user"


class SetPasswordLink(Answer):
    """A link that sets a password: whoever has it takes over the account."""

    link: str
    expires_at: Time


class InvitedUser(ListedUser):
    link: str
    link_expires_at: Time


class PendingLink(Answer):
    kind: Annotated[str, one_of("invitation", "reset")]
    created_at: Time
    expires_at: Time


class UserSession(Answer):
    id: UUID
    created_at: Time
    last_seen_at: Time
    ip: str | None
    user_agent: str | None


class UserDetails(ListedUser):
    sessions: list[UserSession]
    tokens: list[Token]
    password_link: PendingLink | None


class AnyConversation(Conversation):
    user_id: UUID
    username: str


class HistoryTurn(Turn):
    """A turn, and whose it is."""

    user_id: UUID
    username: str
    conversation_title: str | None

    @classmethod
    def of(cls, record: HistoryRecord) -> Self:
        turn = Turn.from_record(record)
        return cls(
            **{name: getattr(turn, name) for name in Turn.model_fields},
            user_id=record.user_id,
            username=record.username,
            conversation_title=record.conversation_title,
        )
