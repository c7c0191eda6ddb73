"""`/console`: the pages of administrators. What they show comes from the API, whose 403 is the guard."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, get_args
from uuid import UUID

import anyio
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from chatkeep.accounts.dependencies import AccountsDep, require_identity
from chatkeep.accounts.schemas import User
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.admin.dependencies import ReadsDep
from chatkeep.admin.statistics import statistics_between
from chatkeep.audit.actions import Action
from chatkeep.audit.verification import verify_ends
from chatkeep.chat.status import Status
from chatkeep.clock import utc_now
from chatkeep.errors import NotAuthenticated, Unavailable
from chatkeep.http.bodies import JsonRoute
from chatkeep.http.languages import language_of
from chatkeep.web.audit_verification import whole_seconds
from chatkeep.web.chart_data import PERIODS, figures, is_empty, models, parse_period, totals
from chatkeep.web.rendering import render_page

SECTIONS = ("users", "history", "running", "statistics", "audit")

PeriodName = Literal["day", "week", "month", "half", "year"]

router = APIRouter(include_in_schema=False, route_class=JsonRoute)


@router.get("/console")
@router.get("/console/users")
@needs(Scope.ADMIN)
async def users_page(request: Request, accounts: AccountsDep) -> HTMLResponse:
    return await _page("users", request, accounts)


@router.get("/console/users/{user_id}")
@needs(Scope.ADMIN)
async def person_page(user_id: UUID, request: Request, accounts: AccountsDep) -> HTMLResponse:
    return await _page("person", request, accounts, user_id=str(user_id))


@router.get("/console/conversations/{conversation_id}")
@needs(Scope.ADMIN)
async def conversation_page(conversation_id: UUID, request: Request, accounts: AccountsDep) -> HTMLResponse:
    """Show what asks for the reason; the turns come when it is given."""
    return await _page("conversation", request, accounts, conversation_id=str(conversation_id))


@router.get("/console/history")
@needs(Scope.ADMIN)
async def history_page(request: Request, accounts: AccountsDep) -> HTMLResponse:
    return await _page("history", request, accounts)


@router.get("/console/statistics")
@needs(Scope.ADMIN)
async def statistics_page(
    request: Request, accounts: AccountsDep, reads: ReadsDep, period: PeriodName = "month"
) -> HTMLResponse:
    """Show what was counted as charts, which are drawn here: the browser needs nothing but the page."""

    async def shown() -> dict[str, object]:
        since, until, bucket = parse_period(period, utc_now())
        answer = await statistics_between(reads, since, until, bucket)
        language = language_of(request)
        return {
            "period": period,
            "periods": PERIODS,
            "totals": totals(answer, language),
            "figures": [] if is_empty(answer) else await anyio.to_thread.run_sync(figures, answer, language),
            "models": models(answer, language),
            "lag_seconds": whole_seconds(reads),
        }

    return await _page("statistics", request, accounts, shown)


@router.get("/console/audit")
@needs(Scope.ADMIN)
async def audit_page(request: Request, accounts: AccountsDep, reads: ReadsDep) -> HTMLResponse:
    """Show whether the trail ends where it was sealed; its rows come from the API."""

    async def shown() -> dict[str, object]:
        ends = await verify_ends(reads, accounts.trail.keys)
        return {
            "actions": sorted(Action),
            "unsealed": ends.broken,
            "rows": f"{sum(head.seq for head in ends.heads):,}",
            "chains": len(ends.heads),
            "lag_seconds": whole_seconds(reads),
        }

    return await _page("audit", request, accounts, shown)


@router.get("/console/running")
@needs(Scope.ADMIN)
async def running_page(request: Request, accounts: AccountsDep) -> HTMLResponse:
    return await _page("running", request, accounts)


async def _nothing_more() -> dict[str, object]:
    return {}


async def _page(
    name: str,
    request: Request,
    accounts: AccountsDep,
    shown: Callable[[], Awaitable[Mapping[str, object]]] = _nothing_more,
    **values: object,
) -> HTMLResponse:
    """Show a page of the console to an administrator, and to anybody else that it is not for them.

    Args:
        shown: reads what the page shows; asked only for an administrator.
    """
    user = None
    try:
        user = User.model_validate(await require_identity(request, accounts))
        if user.role != "admin":
            return render_page("console_closed", request, user, status=403)
        values |= await shown()
    except NotAuthenticated:
        return render_page("console_closed", request, None)
    except Unavailable:
        return render_page("unavailable", request, user, status=503)
    needs_reason = request.app.state.settings.require_audit_reason
    values |= {"section": name, "sections": SECTIONS, "needs_reason": needs_reason, "statuses": get_args(Status)}
    return render_page(f"console_{name}", request, user, values=values)
