"""Export and import over HTTP: a conversation, all of an account, and a file from here or elsewhere."""

from collections.abc import Collection
from contextlib import aclosing
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request

from chatkeep.accounts.dependencies import VisitorAudit
from chatkeep.accounts.identity import Identity, stream_terms
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Recorder
from chatkeep.chat.api.dependencies import ChatDep, CurrentUser
from chatkeep.chat.chat import Chat
from chatkeep.chat.history.lookups import require_record
from chatkeep.http.bodies import JsonRoute
from chatkeep.http.downloads import Download, download
from chatkeep.http.languages import language_of
from chatkeep.http.presence import while_client_waits
from chatkeep.http.problems import error_responses
from chatkeep.transfer.examples import ACCOUNT, CHATSTREAM_PROMPT, CONVERSATION, MARKDOWN, PAGE, TURNS
from chatkeep.transfer.export_formats import (
    ACCOUNT_FORMATS,
    CONVERSATION_FORMATS,
    AccountFormat,
    ConversationFormat,
    Export,
)
from chatkeep.transfer.importer import import_files
from chatkeep.transfer.schemas import ImportReport
from chatkeep.transfer.upload import Imports

router = APIRouter(prefix="/api/v1", tags=["Import and export"], route_class=JsonRoute)

IMPORT_PATH = "/api/v1/import"
UNKNOWN_FORMAT = (422, "This is no file that can be imported.")
SEVERAL_OWNERS = (409, "With `several_owners=refuse`: the file holds the conversations of several people.")
FILE = {"type": "string", "format": "binary"}

BINARY: dict[str, Any] = {"schema": FILE}


@router.get(
    "/conversations/{conversation_id}/export",
    status_code=200,
    response_class=Download,
    responses=error_responses(401, 404, 422, 503)
    | {
        200: {
            "content": {
                "application/json": {"example": CONVERSATION},
                "text/markdown": {"example": MARKDOWN},
                "application/jsonl": {"example": TURNS},
                "text/html": {"example": PAGE},
                "application/zip": BINARY,
            }
        }
    },
)
@needs(Scope.READ)
async def export_conversation(
    conversation_id: UUID,
    request: Request,
    identity: CurrentUser,
    chat: ChatDep,
    visitor: VisitorAudit,
    file_format: Annotated[
        ConversationFormat,
        Query(
            alias="format",
            description="`json`: all turns, on every branch. `zip`: the same, with the files and a page to read. The "
            "others: the active path, oldest first; `html` has its pictures in it.",
        ),
    ] = "json",
) -> Download:
    """Return a conversation as a file. `POST /api/v1/import` takes the JSON, the JSONL and the ZIP.

    A page is in English or Japanese, as the request asks. It loads nothing and runs nothing.
    """
    conversation = await require_record(chat.database, identity.user_id, conversation_id)
    audit = visitor.acting_as(identity.user_id)
    async with chat.database.transaction() as connection:
        await audit.record(
            connection, Action.EXPORTED, identity.user_id, conversation_id=str(conversation_id), format=file_format
        )
    kind = CONVERSATION_FORMATS[file_format]
    return await download(
        kind.write(Export(chat.files, identity.user_id, language_of(request), chat.clock()), conversation),
        chat.streams,
        stream_terms(identity),
        media_type=kind.media_type,
        name=f"conversation-{conversation_id}.{kind.suffix}",
        title=conversation.title,
    )


@router.get(
    "/export",
    status_code=200,
    response_class=Download,
    responses=error_responses(401, 503)
    | {200: {"content": {"application/jsonl": {"example": ACCOUNT}, "application/zip": BINARY}}},
)
@needs(Scope.READ)
async def export_account(
    request: Request,
    identity: CurrentUser,
    chat: ChatDep,
    visitor: VisitorAudit,
    file_format: Annotated[
        AccountFormat,
        Query(
            alias="format",
            description="`jsonl`: the history alone. `zip`: with its files. `html`: a ZIP that has pages to read, too.",
        ),
    ] = "jsonl",
) -> Download:
    """Return the caller's whole history as a file, one conversation a line. `POST /api/v1/import` takes it.

    It has every turn that was begun before the export, none that was begun later, and is read while it is sent: a reply
    that is being generated is in it as far as it is written down.
    """
    details = {} if file_format == "jsonl" else {"format": file_format}
    async with chat.database.transaction() as connection:
        await visitor.acting_as(identity.user_id).record(connection, Action.EXPORTED, identity.user_id, **details)
    kind = ACCOUNT_FORMATS[file_format]
    return await download(
        kind.write(Export(chat.files, identity.user_id, language_of(request), chat.clock())),
        chat.streams,
        stream_terms(identity),
        media_type=kind.media_type,
        name=f"chatkeep-history.{kind.suffix}",
    )


@router.post(
    "/import",
    responses=error_responses(
        401,
        413,
        503,
        upload_too_slow=(408, "The file stopped coming. Send it again over a steadier connection."),
        unknown_import_format=UNKNOWN_FORMAT,
        several_owners=SEVERAL_OWNERS,
        too_many_imports=(429, "You are sending as many files as one account may at once. Wait until one has ended."),
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": FILE, "example": CHATSTREAM_PROMPT},
                "multipart/form-data": {
                    "schema": {"type": "object", "properties": {"file": FILE}, "required": ["file"]},
                    "example": {"file": CHATSTREAM_PROMPT},
                },
            },
        }
    },
)
@needs(Scope.IMPORT)
async def import_history(
    request: Request,
    identity: CurrentUser,
    chat: ChatDep,
    visitor: VisitorAudit,
    owner: Annotated[
        list[str],
        Query(
            default_factory=list,
            max_length=100,
            description="Of an export of several people: whose conversations are imported. None, or `*`: everybody's.",
        ),
    ],
    several_owners: Annotated[
        Literal["import", "refuse"],
        Query(description="`refuse`: a file of several people is refused, unless `owner` says whose are meant."),
    ] = "import",
) -> ImportReport:
    """Add the conversations of files to the caller's history: of one as the body, of whatever media type, or in a form.

    They may be exports of this service, or of any of the programs that `docs/imports.md` lists: which one is found out.
    They may be JSON or JSONL, packed with gzip, or in a ZIP. What was imported before is skipped; where it is longer
    now, its new turns are added. Each conversation is kept whole or not at all, one after the other: after a failure
    the same file may be sent again. It ends with the connection; what was kept by then stays. What has no place in a
    turn is in `metadata.import`.
    """
    report = ImportReport()
    with chat.streams.hold(stream_terms(identity)):
        await _import(request, identity, chat, visitor, report, owner, asks=several_owners == "refuse")
    return report


async def _import(
    request: Request,
    identity: Identity,
    chat: Chat,
    visitor: Recorder,
    report: ImportReport,
    owners: Collection[str],
    *,
    asks: bool,
) -> None:
    imports: Imports = request.app.state.imports
    async with imports.received(request, identity.user_id) as files, while_client_waits(request):
        outcomes = import_files(
            chat.database,
            identity.user_id,
            files,
            audit=visitor.acting_as(identity.user_id),
            clock=chat.clock,
            max_bytes=imports.max_bytes,
            turn=lambda: imports.turn(identity.user_id),
            store=chat.files,
            owners=owners,
            asks=asks,
        )
        async with aclosing(outcomes):
            async for outcome in outcomes:
                report.add(outcome)
