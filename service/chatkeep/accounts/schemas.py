"""The bodies of accounts: what comes in, what goes out."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chatkeep.accounts.scopes import DEFAULT_SCOPES, Scope
from chatkeep.http.bodies import Body, Flag, Moment, Name, Text
from chatkeep.http.schemas import Answer, Time, one_of

# Longer than any password may be: checking a wrong one stays cheap.
Password = Annotated[Text, Field(max_length=1024, examples=["correct horse battery staple"])]
# Of a new one, however long, it is said that it is too long.
NewPassword = Annotated[Text, Field(examples=["correct horse battery staple"])]
Username = Annotated[Text, Field(min_length=1, max_length=256, examples=["alice"])]
Email = Annotated[Text, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$", examples=["alice@example.org"])]


class Register(Body):
    username: Username
    password: NewPassword
    email: Email | None = None


class LinkSecret(Body):
    token: Annotated[str, Field(min_length=1, max_length=200, description="What stands behind the # of the link.")]


class UseLink(LinkSecret):
    password: NewPassword


class PasswordLink(Answer):
    """The user whom a link is for, and until when it works."""

    username: str
    kind: Annotated[str, one_of("invitation", "reset")]
    expires_at: Time


class LogIn(Body):
    username: Username
    password: Password
    remember: Flag = False


class ChangeMe(Body):
    display_name: Name | None = None
    email: Email | None = None


class DeleteMe(Body):
    password: Password = Field("", description="Left out by guests, who have none.")


class ChangePassword(Body):
    current_password: Password
    new_password: NewPassword


class CreateToken(Body):
    name: Name
    expires_at: Moment | None = None
    scopes: Annotated[
        list[Annotated[Scope, one_of(*(scope.value for scope in Scope))]],
        Field(min_length=1, max_length=20, description="What the token may do.", examples=[[*DEFAULT_SCOPES]]),
    ] = [*DEFAULT_SCOPES]  # noqa: RUF012  pydantic copies it


class User(Answer):
    id: UUID
    username: str
    email: str | None
    display_name: str | None
    role: Literal["user", "admin"]
    is_guest: bool
    created_at: Time


class LoginSession(Answer):
    id: UUID
    created_at: Time
    last_seen_at: Time
    expires_at: Time
    ip: str | None
    user_agent: str | None
    current: bool


class Token(Answer):
    id: UUID
    name: str
    created_at: Time
    last_used_at: Time | None
    expires_at: Time | None
    scopes: Annotated[list[str], Field(description="What the token may do.", examples=[[*DEFAULT_SCOPES]])]


class OwnToken(Answer):
    """The token that asks."""

    scopes: Annotated[list[str], Field(description="What the token may do.", examples=[[*DEFAULT_SCOPES]])]
    expires_at: Time | None


class NewToken(Token):
    token: Annotated[str, Field(description="The secret. It is shown this once.")]
