"""`/api/v1/admin/retention`: the retention policy, applied now."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from chatkeep.accounts.dependencies import AdministratorsTerms, DatabaseDep, StreamsDep, require_administrator
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.admin.dependencies import AdministratorsAudit
from chatkeep.clock import utc_now
from chatkeep.config import Settings
from chatkeep.http.bodies import JsonRoute, QueryFlag
from chatkeep.http.problems import error_responses
from chatkeep.http.schemas import Answer
from chatkeep.retention.policy import count_due, delete_old, rules

router = APIRouter(
    prefix="/api/v1/admin/retention",
    tags=["Administration"],
    route_class=JsonRoute,
    dependencies=[Depends(require_administrator)],
)


class RetentionRun(Answer):
    """What was deleted."""

    deleted_turns: int
    deleted_conversations: int
    dry_run: Annotated[bool, Field(description="Nothing was deleted: this is what would have been.")]


@router.post("/run", responses=error_responses(401, 403, 422, 503))
@needs(Scope.ADMIN)
async def run_retention(
    request: Request,
    database: DatabaseDep,
    audit: AdministratorsAudit,
    streams: StreamsDep,
    terms: AdministratorsTerms,
    dry_run: Annotated[QueryFlag, Query(description="Only count what would be deleted.")] = False,
) -> RetentionRun:
    """Delete the conversations that are older than the policy keeps them. The age of a conversation is that of its last
    turn; it goes as a whole. Users under legal hold and replies that are being generated are left alone.
    """
    settings: Settings = request.app.state.settings
    due = rules(settings.retention_days, utc_now())
    with streams.hold(terms):
        removed = await count_due(database, due) if dry_run else await delete_old(database, audit, due)
    return RetentionRun(deleted_turns=removed.turns, deleted_conversations=removed.conversations, dry_run=dry_run)
