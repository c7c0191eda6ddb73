"""Export over HTTP: a conversation, and all of an account."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from service.accounts.dependencies import VisitorAudit
from service.audit.actions import Action
from service.chat import queries
from service.chat.dependencies import Asker, TheChat
from service.errors import NotFound
from service.http.bodies import JsonRoute
from service.http.downloads import Download, download
from service.http.problems import documented
from service.transfer.examples import ACCOUNT, CONVERSATION, MARKDOWN, TURNS
from service.transfer.exporting import account_as_jsonl, conversation_as_json, conversation_as_jsonl
from service.transfer.markdown import conversation_as_markdown

router = APIRouter(prefix="/api/v1", tags=["Import and export"], route_class=JsonRoute)

Format = Literal["json", "markdown", "jsonl"]
WRITERS = {
    "json": (conversation_as_json, "application/json", "json"),
    "markdown": (conversation_as_markdown, "text/markdown", "md"),
    "jsonl": (conversation_as_jsonl, "application/jsonl", "jsonl"),
}


@router.get(
    "/conversations/{conversation_id}/export",
    status_code=200,
    response_class=Download,
    responses=documented(401, 404, 422, 503)
    | {
        200: {
            "content": {
                "application/json": {"example": CONVERSATION},
                "text/markdown": {"example": MARKDOWN},
                "application/jsonl": {"example": TURNS},
            }
        }
    },
)
async def export_conversation(
    conversation_id: UUID,
    identity: Asker,
    chat: TheChat,
    visitor: VisitorAudit,
    file_format: Annotated[
        Format,
        Query(
            alias="format", description="`json`: all turns, on every branch. The others: the active path, oldest first."
        ),
    ] = "json",
) -> Download:
    """Return a conversation as a file. `POST /api/v1/import` takes the JSON."""
    row = await chat.database.row(queries.CONVERSATION, user_id=identity.user_id, conversation_id=conversation_id)
    if row is None:
        raise NotFound
    audit = visitor.acting_as(identity.user_id)
    async with chat.database.transaction() as connection:
        await audit.record(
            connection, Action.EXPORTED, identity.user_id, conversation_id=str(conversation_id), format=file_format
        )
    write, media_type, suffix = WRITERS[file_format]
    return await download(
        write(chat.database, identity.user_id, row),
        media_type=media_type,
        name=f"conversation-{conversation_id}.{suffix}",
        title=row["title"],
    )


@router.get(
    "/export",
    status_code=200,
    response_class=Download,
    responses=documented(401, 503) | {200: {"content": {"application/jsonl": {"example": ACCOUNT}}}},
)
async def export_account(identity: Asker, chat: TheChat, visitor: VisitorAudit) -> Download:
    """Return the caller's whole history as a file, one conversation a line. `POST /api/v1/import` takes it.

    It has every turn that was begun before the export, none that was begun later, and is read while it is sent: a reply
    that is being generated is in it as far as it is written down.
    """
    async with chat.database.transaction() as connection:
        await visitor.acting_as(identity.user_id).record(connection, Action.EXPORTED, identity.user_id)
    return await download(
        account_as_jsonl(chat.database, identity.user_id), media_type="application/jsonl", name="chatkeep-history.jsonl"
    )
