"""`/`, `/c/{id}`, `/account`: the pages, what they load, and replies as HTML for them. Everything else is the API's."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, Response

from service.accounts.dependencies import TheAccounts, require_identity
from service.accounts.schemas import User
from service.chat.dependencies import Asker, TheChat
from service.errors import NotAuthenticated, NotFound, Unavailable
from service.http.bodies import Body, FromDigits, JsonRoute, Text
from service.web.assets import Assets
from service.web.markdown import LONGEST_MARKDOWN
from service.web.state import PageState, page_state
from service.web.texts import language_of, texts_of
from service.web.turns import RenderedTurn, Stretch, rendered_text, rendered_turn, stretch_down, stretch_up

TEMPLATES = Path(__file__).parent / "templates"
MOST_TURNS = 100

# Nothing runs or loads but the files of this service; no address of an element, no string becomes a program. What is
# made into HTML goes through the one policy `chatkeep`, which takes what the server has sanitised.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types chatkeep"
)

router = APIRouter(include_in_schema=False, route_class=JsonRoute)

_environment = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_assets = Assets.read()

Place = Annotated[int, Field(ge=0, lt=2**31 - 1 - MOST_TURNS), FromDigits]
Number = Annotated[int, Field(ge=1, le=MOST_TURNS), FromDigits]


class Markdown(Body):
    text: Annotated[Text, Field(max_length=LONGEST_MARKDOWN)]


class Rendered(BaseModel):
    html: str


@router.get("/")
@router.get("/c/{conversation_id}")
async def chat_page(request: Request, accounts: TheAccounts) -> HTMLResponse:
    """Show the chat; which conversation, the page reads from its address."""
    return await _page("chat", request, accounts)


@router.get("/account")
async def account_page(request: Request, accounts: TheAccounts) -> HTMLResponse:
    return await _page("account", request, accounts)


@router.get("/static/{digest}/{language}/{name}")
async def static_file(digest: str, language: str, name: str, request: Request) -> Response:
    """Send a file. Its address changes with its content, so that browsers may keep it for ever.

    Another version's address, while replicas are being replaced, gets the file as it is here, to be kept by nobody.
    """
    asset = _assets.get(language, name)
    if asset is None:
        raise NotFound
    kept = "public, max-age=31536000, immutable" if digest == _assets.digest else "no-store"
    headers = {"Cache-Control": kept, "ETag": asset.etag}
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)


@router.get("/web/conversations/{conversation_id}/turns")
async def rendered_turns(
    conversation_id: UUID,
    identity: Asker,
    chat: TheChat,
    start: Annotated[UUID | None, Query()] = None,
    first: Annotated[Place | None, Query()] = None,
    limit: Annotated[Number, Query()] = 30,
) -> Stretch:
    """Return a stretch of the active path: up from the turn `start` (or the head), or down from the index `first`."""
    if first is not None:
        return await stretch_down(chat.database, identity.user_id, conversation_id, first=first, limit=limit)
    return await stretch_up(chat.database, identity.user_id, conversation_id, start_id=start, limit=limit)


@router.get("/web/conversations/{conversation_id}/turns/{turn_id}")
async def one_rendered_turn(conversation_id: UUID, turn_id: UUID, identity: Asker, chat: TheChat) -> RenderedTurn:
    return await rendered_turn(chat.database, identity.user_id, conversation_id, turn_id)


@router.post("/web/markdown")
async def rendered_markdown(body: Markdown, _identity: Asker) -> Rendered:
    """Return a part of a reply that is still being written as HTML. Only for the signed-in: it costs time."""
    return Rendered(html=await rendered_text(body.text))


async def _page(name: str, request: Request, accounts: TheAccounts) -> HTMLResponse:
    language, status, user = language_of(request), 200, None
    try:
        user = User.model_validate(await require_identity(request, accounts))
    except NotAuthenticated:
        pass  # the page asks them to sign in
    except Unavailable:
        name, status = "unavailable", 503
    state = page_state(request, user)
    html = _render(name, language, state)
    return HTMLResponse(html, status_code=status, headers={"Content-Security-Policy": POLICY})


def _render(name: str, language: str, state: PageState) -> str:
    return _environment.get_template(f"{name}.html").render(
        t=texts_of(language),
        language=language,
        state=state,
        state_json=state.model_dump_json(),
        assets=f"/static/{_assets.digest}/{language}",
    )
