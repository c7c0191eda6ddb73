"""`/healthz`, `/readyz`, `/metrics`: for the operators of the service."""

import asyncio
import hmac
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from chatkeep.app.metrics import Metrics
from chatkeep.database.database import Database
from chatkeep.database.migrations import standing
from chatkeep.database.postgres.data_folder import DataFolder
from chatkeep.database.postgres.outage import FULL_BYTES, free_bytes
from chatkeep.database.replication import replication_of
from chatkeep.database.standby import Standby
from chatkeep.errors import DatabaseFull, DatabaseUnavailable, NotAuthenticated, Unavailable
from chatkeep.http.problems import error_responses
from chatkeep.http.schemas import Answer

READINESS_TIMEOUT_SECONDS = 3
AWAY = "The database does not answer just now."
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(tags=["Operations"])


class Draining(Unavailable):
    """The service is going down and takes nothing new."""

    code = "draining"


class NotMigrated(Unavailable):
    """The tables are not the ones that this version needs."""

    code = "database_not_migrated"


class MetricsTokenRequired(NotAuthenticated):
    """The figures are for a program that has the token."""

    code = "metrics_token_required"


class Health(Answer):
    status: Literal["ok"] = "ok"


class Readiness(Answer):
    status: Literal["ready"] = "ready"
    revision: Annotated[str, Field(description="The database's migration.", examples=["0001"])]
    acknowledged_on: Annotated[
        Literal["primary", "standby"],
        Field(
            description="Where a turn is when it is acknowledged: on the primary's disk alone, or on a synchronous "
            "standby, too."
        ),
    ]
    administrators_read_on: Annotated[
        Literal["primary", "standby"],
        Field(description="Where histories, statistics and the audit trail are read for administrators just now."),
    ]


@router.get("/healthz")
async def health() -> Health:
    """Tell that the process lives."""
    return Health()


@router.get(
    "/readyz",
    responses=error_responses(
        503,
        draining=(503, "The service is going down."),
        database_not_migrated=(503, "The database is at revision 0001, and this version needs 0002."),
    ),
)
async def readiness(request: Request) -> Readiness:
    """Tell that the database is reachable and migrated; 503 otherwise, and while the service goes down."""
    if request.app.state.draining:
        raise Draining("The service is going down.")
    database: Database = request.app.state.database
    standby: Standby | None = request.app.state.standby
    server: DataFolder | None = request.app.state.embedded_server
    try:
        async with asyncio.timeout(READINESS_TIMEOUT_SECONDS):
            found = await standing(database)
            replication = await replication_of(database)
    except (TimeoutError, DatabaseUnavailable) as error:
        raise _away(error, server) from None
    if server is not None and free_bytes(server.path) < FULL_BYTES:
        raise DatabaseFull
    if not found.at_head:
        raise NotMigrated(f"The database is at revision {found.revision}, and this version needs {found.head}.")
    return Readiness(
        revision=found.head,
        acknowledged_on=replication.acknowledged_on,
        administrators_read_on="standby" if standby is not None and standby.is_near else "primary",
    )


def _away(error: Exception, server: DataFolder | None) -> DatabaseUnavailable:
    """Return why the database does not answer: as the watch of the embedded server knows it, where there is one."""
    outage = server.outage_file.current() if server is not None else None
    if outage is not None:
        return DatabaseUnavailable(outage.sentence())
    return error if isinstance(error, DatabaseUnavailable) else DatabaseUnavailable(AWAY)


@router.get(
    "/metrics",
    response_class=Response,
    responses=error_responses(
        metrics_token_required=(401, "Send the token of CHATKEEP_METRICS_TOKEN as a bearer token.")
    )
    | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Return figures in Prometheus' text format, to those who have the token where one is set."""
    _require_token(request)
    figures: Metrics = request.app.state.metrics
    return Response(figures.text(), media_type=PROMETHEUS_TEXT)


def _require_token(request: Request) -> None:
    token = request.app.state.settings.metrics_token
    if token is None:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # In constant time: otherwise the time of an answer tells how many letters were right.
    right = hmac.compare_digest(given.strip().encode(), token.get_secret_value().encode())
    if scheme.lower() != "bearer" or not right:
        raise MetricsTokenRequired("Send the token of CHATKEEP_METRICS_TOKEN as a bearer token.")


# Monitors and load balancers that ask for no body.
@router.head("/healthz", include_in_schema=False)
async def health_without_body() -> Response:
    return Response()


@router.head("/readyz", include_in_schema=False)
async def readiness_without_body(request: Request) -> Response:
    await readiness(request)
    return Response()
