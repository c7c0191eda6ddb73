"""The page for people who open the service by a name that it does not go by: which setting lets them in."""

import base64
import hashlib

from fastapi import Request
from markupsafe import Markup
from starlette.responses import HTMLResponse

from chatkeep.http.languages import LANGUAGES, language_of
from chatkeep.http.navigation import is_navigation
from chatkeep.web.rendering import ASSETS, render, theme_of

# In the page itself: the address of a style sheet would be refused like the page's own.
_STYLE = ASSETS[LANGUAGES[0], "style.css"].body.decode() + (
    "pre{margin:.6rem 0 1rem;padding:.6rem .9rem;border-radius:.6rem;background:var(--soft);overflow-x:auto;"
    "font-size:.875rem}"
)
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def host_page(request: Request, host: str | None) -> HTMLResponse | None:
    """Return the page, or None where a program asked, which gets the problem as JSON.

    A page that has pointed its own name here (DNS rebinding) can read this answer. So it says no name that is allowed,
    nothing of anybody's, and runs no script. And a visitor of that page sees its name in the setting: the text asks
    whether the name is the operator's own.

    Args:
        host: as `chatkeep.hosts.parse_host` returns it, which lets nothing but a name or an address pass; None where
            there is none.
    """
    if not is_navigation(request):
        return None
    html = render(
        "host.html",
        language_of(request),
        theme=theme_of(request),
        setting=None if host is None else f"CHATKEEP_ALLOWED_HOSTS={host}",
        style=Markup(_STYLE),  # noqa: S704  a file of ours, whose digest the browser checks
    )
    return HTMLResponse(html, status_code=400, headers={"Content-Security-Policy": POLICY})
