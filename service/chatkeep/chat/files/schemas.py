"""A file as it is answered."""

from collections.abc import Mapping
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from chatkeep.http.schemas import Answer, Time


class File(Answer):
    id: UUID
    name: str
    media_type: Annotated[str, Field(description="By what is in it.")]
    size: Annotated[int, Field(description="Bytes.")]
    sha256: str
    created_at: Time

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Self:
        return cls(
            id=row["id"],
            name=row["name"],
            media_type=row["media_type"],
            size=row["size"],
            sha256=row["sha256"].hex(),
            created_at=row["created_at"],
        )
