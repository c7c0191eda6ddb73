"""The application of a worker process, made of its environment."""

from fastapi import FastAPI

from chatkeep.app.app import create_app
from chatkeep.app.logs import configure_logging
from chatkeep.config import Settings


def application() -> FastAPI:
    """Return the application, with settings from the environment; a factory for any ASGI server."""
    settings = Settings.read()
    configure_logging(settings)
    return create_app(settings, owns_process=True)
