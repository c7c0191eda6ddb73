"""The service put together: parts, middleware, routers, life."""

from service.app.app import create_app
from service.app.lifespan import lifespan_of

__all__ = ["create_app", "lifespan_of"]
