"""What a page knows before it asks for anything."""

from typing import Literal

from fastapi import Request
from pydantic import BaseModel

from service.accounts.schemas import User
from service.config import DAY_SECONDS
from service.http.root_path import root_path_of

THEME_COOKIE = "theme"

Theme = Literal["auto", "light", "dark"]


class PageState(BaseModel):
    """Who is signed in, and what the service allows.

    Args:
        root: what every link to the service begins with: `/chat`, or nothing at the root of a host.
    """

    root: str
    user: User | None
    theme: Theme
    allow_registration: bool
    allow_guests: bool
    cookie_secure: bool
    model: str | None
    token_days: int


def page_state(request: Request, user: User | None) -> PageState:
    settings = request.app.state.settings
    return PageState(
        root=root_path_of(request),
        user=user,
        theme=theme_of(request),
        allow_registration=settings.allow_registration,
        allow_guests=settings.allow_guests,
        cookie_secure=settings.cookie_secure,
        model=settings.model,
        token_days=settings.access_token_max_seconds // DAY_SECONDS,
    )


def theme_of(request: Request) -> Theme:
    """Return how the reader wants pages to look."""
    theme = request.cookies.get(THEME_COOKIE)
    return "dark" if theme == "dark" else "light" if theme == "light" else "auto"
