"""A file as it is answered."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field

from chatkeep.chat.files.queries import FileRecord
from chatkeep.http.schemas import Answer, Time


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
