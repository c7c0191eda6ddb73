"""`/docs`: the API on one page, for people. It needs no script and nothing from anywhere else."""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fastapi import APIRouter, FastAPI, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, JSONResponse, Response

from chatkeep.app.docs_model import ORIGIN, json_parts, prose, shapes, subjects
from chatkeep.app.openapi import OPENAPI_PATH
from chatkeep.http.addresses import request_host, request_scheme
from chatkeep.http.root_path import root_path_of

TEMPLATES = Path(__file__).parent / "templates"

T = TypeVar("T")

# Stands in the page, which is made once, for the prefix that a request came by.
ROOT = "/chatkeep-root.invalid"

router = APIRouter(include_in_schema=False)

_environment = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_environment.filters.update(json_parts=json_parts, prose=prose)
_style = (TEMPLATES / "docs.css").read_text(encoding="utf-8")
_style_digest = base64.b64encode(hashlib.sha256(_style.encode()).digest()).decode()

HEADERS = {
    # The page's own style, and nothing else: no script even if a text in it ever escaped its place.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_style_digest}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}


@router.api_route(OPENAPI_PATH, methods=["GET", "HEAD"])
async def openapi(request: Request) -> Response:
    """Return the document. Making it takes a moment, for which the event loop must not wait."""
    body = await _made_once(request.app, _document)
    if root := root_path_of(request):
        servers = JSONResponse({"servers": [{"url": root}]}).body
        body = bytes(servers)[:-1] + b"," + body[1:]
    return Response(body, media_type="application/json")


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Show the API to people."""
    settings = request.app.state.settings
    proxies = settings.trusted_proxies
    origin = f"{request_scheme(request, proxies)}://{request_host(request, proxies) or 'localhost'}"
    page = (
        (await _made_once(request.app, _page))
        .replace(ORIGIN, str(escape(origin)) + ROOT)
        .replace(ROOT, root_path_of(request))
    )
    return HTMLResponse(page, headers=HEADERS)


async def _made_once(app: FastAPI, make: Callable[[FastAPI], T]) -> T:
    """Return the result of `make` for an application, made in a thread by the first request; the others wait for it.

    It takes half a second of the processor. Anyone may ask, and fifty at once would share it with everybody else.
    """
    made: dict[object, asyncio.Task[T]] = getattr(app.state, "docs_made", None) or {}
    app.state.docs_made = made
    task = made.get(make)
    if task is None or (task.done() and (task.cancelled() or task.exception())):
        task = made[make] = asyncio.create_task(asyncio.to_thread(make, app))
    return await asyncio.shield(task)


def _document(app: FastAPI) -> bytes:
    return bytes(JSONResponse(app.openapi()).body)


def _page(app: FastAPI) -> str:
    """Return the page, with marks in place of what a request says."""
    document = app.openapi()
    return _environment.get_template("docs.html").render(
        info=document["info"],
        subjects=subjects(document),
        shapes=shapes(document),
        style=Markup(_style),  # noqa: S704  a file of ours, whose digest the browser checks
        openapi_path=ROOT + OPENAPI_PATH,
    )
