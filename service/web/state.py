"""What a page knows before it asks for anything."""

from typing import Literal

from fastapi import Request
from pydantic import BaseModel

from service.accounts.schemas import User

THEME_COOKIE = "theme"


class PageState(BaseModel):
    """Who is signed in, and what the service allows."""

    user: User | None
    theme: Literal["auto", "light", "dark"]
    allow_registration: bool
    allow_guests: bool
    model: str | None


def page_state(request: Request, user: User | None) -> PageState:
    settings = request.app.state.settings
    theme = request.cookies.get(THEME_COOKIE)
    return PageState(
        user=user,
        theme="dark" if theme == "dark" else "light" if theme == "light" else "auto",
        allow_registration=settings.allow_registration,
        allow_guests=settings.allow_guests,
        model=settings.model,
    )
