"""`/api/v1/files`: files over HTTP."""

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field

from chatkeep.accounts.dependencies import DatabaseDep
from chatkeep.accounts.identity import stream_terms
from chatkeep.accounts.scopes import Scope, needs
from chatkeep.accounts.users import HELD
from chatkeep.chat.api.dependencies import ChatDep, CurrentUser, CurrentUserOrVisitor
from chatkeep.chat.files import queries
from chatkeep.chat.files.answers import FileContent, file_content
from chatkeep.chat.files.media_types import NOT_ALLOWED, PDF, RASTER_TYPES, TEXT
from chatkeep.chat.files.queries import FileRecord
from chatkeep.chat.history.conversations import NEWEST_ID
from chatkeep.errors import FileMissing
from chatkeep.http.bodies import JsonRoute
from chatkeep.http.pages import DEFAULT_LIMIT, CursorText, Limit, Page, cursor_of_id, page_of
from chatkeep.http.problems import error_responses
from chatkeep.http.schemas import Answer, Time
from chatkeep.http.uploads import TOO_MANY, Uploads

router = APIRouter(prefix="/api/v1/files", tags=["Files"], route_class=JsonRoute)

FILES_PATH = "/api/v1/files"
# The framing of a form around its file, and a few fields beside it.
MAX_FORM_BYTES = 64 * 1024
BINARY = {"type": "string", "format": "binary"}
EXAMPLE_TEXT = "Sencha, Assam, Darjeeling\n"
CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes, under the type that was found in them.",
        "content": {
            **{media_type: {"schema": BINARY} for media_type in (*RASTER_TYPES, PDF)},
            TEXT: {"schema": BINARY, "example": EXAMPLE_TEXT},
        },
    }
}
NO_FILE = "The form holds no file. Send it as the field `file` of a multipart form."
IN_USE = "A turn has this file. Delete the conversation, and the file goes with it."


class File(Answer):
    id: UUID
    name: str
    media_type: Annotated[str, Field(description="By what is in it.")]
    size: Annotated[int, Field(description="Bytes.")]
    sha256: str
    created_at: Time

    @classmethod
    def of(cls, row: FileRecord) -> Self:
        return cls(
            id=row.id,
            name=row.name,
            media_type=row.media_type,
            size=row.size,
            sha256=row.sha256.hex(),
            created_at=row.created_at,
        )


@router.post(
    "",
    status_code=201,
    responses=error_responses(
        401,
        503,
        file_missing=(422, NO_FILE),
        file_quota_reached=(403, "Your files may take 256 MB in all, and this one does not fit any more."),
        upload_too_slow=(408, "The file stopped coming. Send it again over a steadier connection."),
        file_too_large=(413, "The file is larger than 10 MB, which is all that one may have here."),
        file_type_not_allowed=(422, NOT_ALLOWED),
        too_many_uploads=(429, TOO_MANY),
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"file": BINARY, "purpose": {"type": "string"}},
                        "required": ["file"],
                    },
                    "example": {"file": EXAMPLE_TEXT},
                },
            },
        }
    },
)
@needs(Scope.CHAT)
async def add_file(request: Request, asker: CurrentUserOrVisitor, chat: ChatDep) -> File:
    """Keep a file for prompts to refer to: a picture (PNG, JPEG, GIF, WebP), a PDF, or a text in UTF-8.

    What it is, is found out from its bytes. The same bytes sent again are the same file, under the name that they
    have now; turns keep the name that it had. A file that no turn refers to is deleted after a day. `purpose` is taken
    and means nothing here.
    """
    identity = asker or await chat.handler.create_guest(request)
    uploads: Uploads = request.app.state.file_uploads
    with chat.streams.hold(stream_terms(identity)):
        async with uploads.received_from(request, identity.user_id) as received:
            if received.file is None or not received.name:
                raise FileMissing(NO_FILE)
            row = await chat.files.add(identity.user_id, received.file, received.name)
    return File.of(row)


@router.get("", responses=error_responses(401, 422, 503))
@needs(Scope.READ)
async def list_files(
    identity: CurrentUser, database: DatabaseDep, limit: Limit = DEFAULT_LIMIT, cursor: CursorText = None
) -> Page[File]:
    """Return the caller's files, newest first."""
    before_id = cursor_of_id(cursor, of="files") or NEWEST_ID
    rows = await database.rows(queries.FILES_BEFORE, user_id=identity.user_id, before_id=before_id, limit=limit + 1)
    return page_of(rows, limit, File.of, of="files")


@router.get("/{file_id}", responses=error_responses(401, 404, 422, 503))
@needs(Scope.CHAT, Scope.READ)
async def read_file(file_id: UUID, identity: CurrentUser, chat: ChatDep) -> File:
    """Return what is known of a file; its bytes are at `/content`."""
    return File.of(await chat.files.require(identity.user_id, file_id))


@router.get(
    "/{file_id}/content",
    status_code=200,
    response_class=FileContent,
    responses=CONTENT | error_responses(401, 404, 422, 503),
)
@needs(Scope.CHAT, Scope.READ)
async def read_file_content(file_id: UUID, identity: CurrentUser, chat: ChatDep) -> FileContent:
    """Return a file's bytes: raster pictures to be shown, everything else to be saved."""
    row = await chat.files.require(identity.user_id, file_id)
    chunks = chat.files.pieces(identity.user_id, file_id)
    return file_content(chunks, row, chat.streams, stream_terms(identity))


@router.delete(
    "/{file_id}",
    status_code=204,
    responses=error_responses(401, 404, 422, 503, file_in_use=(409, IN_USE), legal_hold=(409, HELD)),
)
@needs(Scope.CHAT)
async def delete_file(file_id: UUID, identity: CurrentUser, chat: ChatDep) -> None:
    """Delete a file that no turn refers to. Files of turns go with their conversation."""
    await chat.files.delete(identity.user_id, file_id)
