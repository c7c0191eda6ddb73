"""All routers of the OpenAI-compatible API."""

from chatkeep.openai.models import router as models_router
from chatkeep.openai.responses import router as responses_router

ROUTERS = (models_router, responses_router)
