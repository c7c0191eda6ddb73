"""What a person sees at an address that is none."""

from fastapi import Request
from starlette.responses import Response

from service.http.navigation import is_navigation
from service.http.root_path import path_within
from service.web.rendering import rendered_page

_PROGRAMS = ("/api/", "/web/", "/static/")


def not_found_page(request: Request) -> Response | None:
    """Return the page, or None where a program asked, which gets the problem as JSON."""
    if not is_navigation(request) or path_within(request.scope).startswith(_PROGRAMS):
        return None
    return rendered_page("not_found", request, None, status=404)
