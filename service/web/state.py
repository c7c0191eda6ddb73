"""What a page knows before it asks for anything."""

from typing import Literal

from fastapi import Request
from pydantic import BaseModel

from service.accounts.schemas import User
from service.http.root_path import root_path_of

THEME_COOKIE = "theme"


class PageState(BaseModel):
    """Who is signed in, and what the service allows.

    Args:
        root: what every link to the service begins with: `/chat`, or nothing at the root of a host.
    """

    root: str
    user: User | None
    theme: Literal["auto", "light", "dark"]
    allow_registration: bool
    allow_guests: bool
    model: str | None


def page_state(request: Request, user: User | None) -> PageState:
    settings = request.app.state.settings
    theme = request.cookies.get(THEME_COOKIE)
    return PageState(
        root=root_path_of(request),
        user=user,
        theme="dark" if theme == "dark" else "light" if theme == "light" else "auto",
        allow_registration=settings.allow_registration,
        allow_guests=settings.allow_guests,
        model=settings.model,
    )
