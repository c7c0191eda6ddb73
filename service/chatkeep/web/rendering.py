"""A page as it is sent: its template, in the reader's language, and what it may do in the browser."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel
from starlette.responses import HTMLResponse, Response

from chatkeep.accounts.schemas import User
from chatkeep.config import DAY_SECONDS
from chatkeep.http.languages import language_of
from chatkeep.http.navigation import is_navigation
from chatkeep.http.problems import RETRY_UNAVAILABLE_SECONDS
from chatkeep.http.root_path import path_within, root_path_of
from chatkeep.web.assets import Assets
from chatkeep.web.cookie_loss import cookie_loss
from chatkeep.web.translations import texts_of

THEME_COOKIE = "theme"

Theme = Literal["auto", "light", "dark"]

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = Assets.read()

# Nothing runs or loads but the files of this service; no address of an element, no string becomes a program. What is
# made into HTML goes through the one policy `chatkeep`, which takes what the server has sanitised.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types chatkeep"
)

_environment = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)

_PROGRAMS = ("/api/", "/web/", "/static/")


class PageState(BaseModel):
    """The signed-in user, and what the service allows.

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


def render_page(
    name: str, request: Request, user: User | None, *, status: int = 200, values: Mapping[str, object] | None = None
) -> HTMLResponse:
    """Return the page `name` for `user`; `values` are what else its template says."""
    language, state = language_of(request), page_state(request, user)
    html = render(
        f"{name}.html",
        language,
        state=state,
        state_json=state.model_dump_json(),
        assets=f"{state.root}/static/{ASSETS.digest}/{language}",
        modules=partial(ASSETS.modules, language),
        loss=cookie_loss(request, user),
        **(values or {}),
    )
    headers = {"Content-Security-Policy": POLICY}
    if status == 503:
        headers["Retry-After"] = str(RETRY_UNAVAILABLE_SECONDS)
    return HTMLResponse(html, status_code=status, headers=headers)


def render(template: str, language: str, **values: object) -> str:
    """Return a template with its texts; every value is escaped."""
    return _environment.get_template(template).render(t=texts_of(language), language=language, **values)


def load_templates() -> None:
    """Compile every template, which takes a tenth of a second: nobody's first page is to hold up the others."""
    for name in _environment.list_templates():
        _environment.get_template(name)


def render_svg(template: str, **values: object) -> str:
    """Return a drawing, which has no texts of its own; every value is escaped."""
    return _environment.get_template(template).render(**values)


def not_found_page(request: Request) -> Response | None:
    """Return the page, or None where a program asked, which gets the problem as JSON."""
    if not is_navigation(request) or path_within(request.scope).startswith(_PROGRAMS):
        return None
    return render_page("not_found", request, None, status=404)
