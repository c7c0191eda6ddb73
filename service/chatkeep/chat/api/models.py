"""`/api/v1/models`: which models may be asked for."""

from fastapi import APIRouter, Request

from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.api.dependencies import CurrentUserOrVisitor
from chatkeep.chat.models.model_names import ModelNames
from chatkeep.http.bodies import JsonRoute
from chatkeep.http.problems import error_responses
from chatkeep.http.schemas import Answer

router = APIRouter(prefix="/api/v1/models", tags=["Conversations"], route_class=JsonRoute)


class OfferedModel(Answer):
    id: str
    default: bool


class OfferedModels(Answer):
    items: list[OfferedModel]


@router.get(
    "",
    responses=error_responses(
        401, 503, models_unavailable=(503, "The model server does not list its models just now. Try again in a moment.")
    ),
)
@needs(Scope.CHAT, Scope.READ)
async def list_offered_models(request: Request, user: CurrentUserOrVisitor) -> OfferedModels:  # noqa: ARG001
    """Return the model server's own list, the default model first."""
    names: ModelNames = request.app.state.model_names
    offered = await names.all()
    return OfferedModels(items=[OfferedModel(id=name, default=not at) for at, name in enumerate(offered)])
