"""`/v1/models`: which models may be asked for."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.models.model_names import ModelNames
from chatkeep.errors import NotFound
from chatkeep.openai.dependencies import TokenOwner
from chatkeep.openai.route import OpenAIRoute

# Not in the OpenAPI document: its shapes and errors are OpenAI's. See docs/clients.md.
router = APIRouter(prefix="/v1/models", route_class=OpenAIRoute, include_in_schema=False)


@router.get("")
@needs(Scope.CHAT, Scope.READ)
async def list_models(request: Request, caller: TokenOwner) -> JSONResponse:  # noqa: ARG001  it has to be somebody
    """Return the model server's own list, the default model first."""
    data = [_shown(name) for name in await _names_of(request).all()]
    return JSONResponse({"object": "list", "data": data})


@router.get("/{model_id:path}")
@needs(Scope.CHAT, Scope.READ)
async def read_model(request: Request, model_id: str, caller: TokenOwner) -> JSONResponse:  # noqa: ARG001
    """Return one model of the list."""
    if model_id not in await _names_of(request).all():
        raise NotFound("The model server lists no such model. GET /v1/models tells which there are.")
    return JSONResponse(_shown(model_id))


def _names_of(request: Request) -> ModelNames:
    names: ModelNames = request.app.state.model_names
    return names


def _shown(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "chatkeep"}
