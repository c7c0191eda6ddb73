"""Whether a browser asks for a page to show, or a program for an answer to read."""

from starlette.requests import Request


def is_navigation(request: Request) -> bool:
    """Tell whether somebody opens this address in a browser.

    Browsers send no Fetch Metadata to plain http, except to their own machine; there `Accept` tells, in which a
    page's own requests never ask for HTML.

    Source: W3C Fetch Metadata Request Headers, 2.2 and 4.1.
    """
    if request.method not in ("GET", "HEAD"):
        return False
    mode = request.headers.get("sec-fetch-mode")
    return mode == "navigate" if mode is not None else "text/html" in request.headers.get("accept", "").lower()
