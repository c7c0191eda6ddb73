"""The service as it is; only its model does not wait, so that only the service is measured."""

from fastapi import FastAPI

from chatkeep.app import create_app
from chatkeep.app.logs import configure_logging
from chatkeep.chat.models import DemonstrationModel
from chatkeep.config import Settings


def application() -> FastAPI:
    settings = Settings.read()
    configure_logging(settings)
    return create_app(settings, model=DemonstrationModel(pause_seconds=None))
