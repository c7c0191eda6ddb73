"""All routers of the OpenAI-compatible API."""

from chatkeep.openai.completions import router as completions_router
from chatkeep.openai.conversations import router as conversations_router
from chatkeep.openai.files import router as files_router
from chatkeep.openai.models import router as models_router
from chatkeep.openai.responses import router as responses_router

ROUTERS = (models_router, responses_router, conversations_router, completions_router, files_router)
