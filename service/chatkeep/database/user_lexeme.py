"""The lexeme that all of a user's turns share, so that one index finds whose they are and what they say.

It is short, and may be another user's too: whose a turn is, its row says.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, func, literal
from sqlalchemy.dialects.postgresql import TSVECTOR


def user_mark(user_id: UUID) -> str:
    return f"@{user_id.hex[-12:]}"


def reassign_lexemes(lexemes: ColumnElement[Any], from_user: UUID, to_user: UUID) -> ColumnElement[Any]:
    """Return a turn's lexemes as those of another user; NULL stays NULL."""
    others = func.ts_delete(lexemes, literal(user_mark(from_user), Text), type_=TSVECTOR)
    return others.op("||")(func.array_to_tsvector(literal([user_mark(to_user)], ARRAY(Text)), type_=TSVECTOR))
