"""`/v1/files`: the files of prompts, as OpenAI's clients send and read them.

Source: openai-python 3.54, `file_object.py`, `file_list_params.py`.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse

from chatkeep.accounts.identity import stream_terms
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.chat.api.dependencies import ChatDep
from chatkeep.chat.api.files import NO_FILE
from chatkeep.chat.files import queries
from chatkeep.chat.files.answers import FileContent, file_content
from chatkeep.chat.files.queries import FileRecord
from chatkeep.chat.history.conversations import NEWEST_ID
from chatkeep.errors import FileMissing, Invalid
from chatkeep.http.bodies import FromDigits
from chatkeep.http.uploads import Uploads
from chatkeep.openai.dependencies import TokenOwner
from chatkeep.openai.ids import FILE, to_own, to_text
from chatkeep.openai.lists import list_of
from chatkeep.openai.route import OpenAIRoute
from chatkeep.openai.schemas import JsonObject

FILES_PATH = "/v1/files"
# Theirs is 10,000, and their clients ask for the next page by themselves.
MAX_FILES = 1_000
NEWEST_FIRST = "Files are listed newest first: leave `order` out."

# Not in the OpenAPI document: its shapes and errors are OpenAI's. See docs/clients.md.
router = APIRouter(prefix=FILES_PATH, route_class=OpenAIRoute, include_in_schema=False)


@router.post("")
@needs(Scope.CHAT)
async def add_file(request: Request, caller: TokenOwner, chat: ChatDep) -> JSONResponse:
    """Keep a file for prompts to refer to. The same bytes again are the same file; `purpose` means nothing here."""
    uploads: Uploads = request.app.state.file_uploads
    with chat.streams.hold(stream_terms(caller)):
        async with uploads.received_from(request, caller.user_id) as received:
            if received.file is None or not received.name:
                raise FileMissing(NO_FILE, param="file")
            row = await chat.files.add(caller.user_id, received.file, received.name)
    return JSONResponse(_shown(row))


@router.get("")
@needs(Scope.READ)
async def list_files(
    caller: TokenOwner,
    chat: ChatDep,
    after: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Field(ge=1, le=10_000), FromDigits] = MAX_FILES,
    order: Literal["asc", "desc"] = "desc",
) -> JSONResponse:
    """Return the caller's files, newest first."""
    if order == "asc":
        raise Invalid(NEWEST_FIRST, param="order")
    before_id = NEWEST_ID if after is None else to_own(FILE, after)
    limit = min(limit, MAX_FILES)
    rows = await chat.database.rows(queries.FILES_BEFORE, user_id=caller.user_id, before_id=before_id, limit=limit + 1)
    return JSONResponse(list_of([_shown(row) for row in rows[:limit]], has_more=len(rows) > limit))


@router.get("/{file_id}")
@needs(Scope.CHAT, Scope.READ)
async def read_file(file_id: str, caller: TokenOwner, chat: ChatDep) -> JSONResponse:
    """Return a file's name and size."""
    return JSONResponse(_shown(await chat.files.require(caller.user_id, to_own(FILE, file_id))))


@router.get("/{file_id}/content", status_code=200, response_class=FileContent)
@needs(Scope.CHAT, Scope.READ)
async def read_file_content(file_id: str, caller: TokenOwner, chat: ChatDep) -> FileContent:
    """Return a file's bytes."""
    row = await chat.files.require(caller.user_id, to_own(FILE, file_id))
    return file_content(chat.files.pieces(caller.user_id, row.id), row, chat.streams, stream_terms(caller))


@router.delete("/{file_id}")
@needs(Scope.CHAT)
async def delete_file(file_id: str, caller: TokenOwner, chat: ChatDep) -> JSONResponse:
    """Delete a file that no turn refers to."""
    await chat.files.delete(caller.user_id, to_own(FILE, file_id))
    return JSONResponse({"id": file_id, "object": "file", "deleted": True})


def _shown(row: FileRecord) -> JsonObject:
    return {
        "id": to_text(FILE, row.id),
        "object": "file",
        "bytes": row.size,
        "created_at": int(row.created_at.timestamp()),
        "filename": row.name,
        "purpose": "user_data",
        "status": "processed",
    }
