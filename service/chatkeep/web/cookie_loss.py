"""Whether a browser that has just signed in has lost the cookie, and why: told on the page that it loads again."""

from dataclasses import dataclass

from fastapi import Request

from chatkeep.accounts.schemas import User
from chatkeep.http.addresses import request_scheme

# How `sign-in.js` says in the page's address that it loads the page again: as whom.
AS = "as"


@dataclass(frozen=True, slots=True)
class CookieLoss:
    """Args:
    as_guest: nobody has signed in; the browser would not keep a guest's cookie.
    needs_https: the cookie is for https, and the page came over plain http. Otherwise cookies are blocked.
    """

    as_guest: bool
    needs_https: bool


def cookie_loss(request: Request, user: User | None) -> CookieLoss | None:
    """Return the loss, or None where somebody is signed in or nobody has tried."""
    tried = request.query_params.get(AS)
    if user is not None or tried not in ("user", "guest"):
        return None
    settings = request.app.state.settings
    # Only over https do browsers send Fetch Metadata, and to this machine: a proxy may not say that it ended TLS.
    is_plain = request_scheme(request, settings.trusted_proxies) == "http" and "sec-fetch-mode" not in request.headers
    return CookieLoss(as_guest=tried == "guest", needs_https=settings.cookie_secure and is_plain)
