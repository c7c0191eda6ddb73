"""`/docs`: the API on one page, for people. It needs no script and nothing from anywhere else."""

import asyncio
import base64
import hashlib
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, JSONResponse

from chatkeep.app.docs_model import ORIGIN, json_parts, prose, shapes, subjects
from chatkeep.app.openapi import OPENAPI_PATH
from chatkeep.http.addresses import request_host, request_scheme
from chatkeep.http.root_path import root_path_of

TEMPLATES = Path(__file__).parent / "templates"

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
async def openapi(request: Request) -> JSONResponse:
    """Return the document. Making it takes a moment, for which the event loop must not wait."""
    document = await asyncio.to_thread(request.app.openapi)
    root = root_path_of(request)
    return JSONResponse({**document, "servers": [{"url": root}]} if root else document)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Show the API to people."""
    settings = request.app.state.settings
    proxies = settings.trusted_proxies
    origin = f"{request_scheme(request, proxies)}://{request_host(request, proxies) or 'localhost'}"
    page = (
        (await asyncio.to_thread(_page, request.app))
        .replace(ORIGIN, str(escape(origin)) + ROOT)
        .replace(ROOT, root_path_of(request))
    )
    return HTMLResponse(page, headers=HEADERS)


def _page(app: FastAPI) -> str:
    """Return the page, made once for an application."""
    page: str | None = getattr(app.state, "docs_page", None)
    if page is None:
        document = app.openapi()
        page = app.state.docs_page = _environment.get_template("docs.html").render(
            info=document["info"],
            subjects=subjects(document),
            shapes=shapes(document),
            style=Markup(_style),  # noqa: S704  a file of ours, whose digest the browser checks
            openapi_path=ROOT + OPENAPI_PATH,
        )
    return page
