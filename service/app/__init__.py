"""The service put together: parts, middleware, routers, life."""

from service.app.app import create_app

__all__ = ["create_app"]
