"""What a search answers."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from service.http.schemas import Answer, Time


class FoundTurn(Answer):
    """A turn that says what was asked for."""

    conversation_id: UUID
    conversation_title: str | None
    turn_id: UUID
    snippet: Annotated[
        str,
        Field(description="Its words around the first match, as HTML: matches in `<mark>`, everything else escaped."),
    ]
    created_at: Time
