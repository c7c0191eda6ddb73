"""The service put together: parts, middleware, routers, life."""

from chatkeep.app.app import create_app
from chatkeep.app.lifespan import lifespan_of

__all__ = ["create_app", "lifespan_of"]
