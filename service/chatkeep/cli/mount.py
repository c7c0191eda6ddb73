"""Where the service is within an application of the operator's own, as far as its routes show it."""

from starlette.routing import Mount
from starlette.types import ASGIApp

from chatkeep.app.metrics import metrics_of

MAX_DEPTH = 16


def mount_path(app: ASGIApp) -> str | None:
    """Return the path under which `app` has the service, "" for its root; None where that cannot be seen."""
    return _path_in(app, MAX_DEPTH)


def _path_in(app: object, depth: int) -> str | None:
    if metrics_of(app) is not None:
        return ""
    if app is None or depth == 0:
        return None
    for route in getattr(app, "routes", None) or ():
        # One with a parameter has no single path.
        if isinstance(route, Mount) and "{" not in route.path:
            inner = _path_in(route.app, depth - 1)
            if inner is not None:
                return f"{route.path}{inner}"
    # Middleware that was put around it by hand keeps it under this name.
    return _path_in(getattr(app, "app", None), depth - 1)
