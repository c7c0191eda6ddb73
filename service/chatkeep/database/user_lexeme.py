"""The lexeme that all of a user's turns share, so that one index finds whose they are and what they say.

It may be another user's too, or a word's: whose a turn is, its row says.
"""

from typing import Any
from uuid import UUID
from zlib import crc32

from sqlalchemy import ARRAY, ColumnElement, Integer, Text, func, literal
from sqlalchemy.dialects.postgresql import TSVECTOR

_TOO_HIGH = 2**31


def lexeme_of(text: str) -> int:
    """Return the number that stands for a text: one that an `integer` can hold."""
    checksum = crc32(text.encode())
    return checksum if checksum < _TOO_HIGH else checksum - 2 * _TOO_HIGH


def user_lexeme(user_id: UUID) -> int:
    return lexeme_of(f"@{user_id.hex}")


def reassign_lexemes(lexemes: ColumnElement[Any], from_user: UUID, to_user: UUID) -> ColumnElement[Any]:
    """Return a turn's lexemes as those of another user; NULL stays NULL."""
    replaced = (literal(user_lexeme(each), Integer) for each in (from_user, to_user))
    return func.array_replace(lexemes, *replaced, type_=lexemes.type)


def older_user_mark(user_id: UUID) -> str:
    """Return the same of entries of the release before, which are `tsvector`s."""
    return f"@{user_id.hex[-12:]}"


def reassign_older_lexemes(lexemes: ColumnElement[Any], from_user: UUID, to_user: UUID) -> ColumnElement[Any]:
    others = func.ts_delete(lexemes, literal(older_user_mark(from_user), Text), type_=TSVECTOR)
    return others.op("||")(func.array_to_tsvector(literal([older_user_mark(to_user)], ARRAY(Text)), type_=TSVECTOR))
