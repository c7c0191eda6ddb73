"""The texts among a reply's items, in SQL: of each kind as `chatkeep.chat.items` tells it."""

from typing import Any

from sqlalchemy import ColumnElement, func, literal_column
from sqlalchemy.dialects.postgresql import JSONB

REASONING_PATH = """'$[*] ? (@.type == "reasoning" && @.text.type() == "string").text'::jsonpath"""
REFUSAL_PATH = """'$[*] ? (@.type == "refusal" && @.refusal.type() == "string").refusal'::jsonpath"""


def reasoning_texts(items: ColumnElement[Any]) -> ColumnElement[Any]:
    """The texts of reasoning among items, as a JSON list; null where there are no items."""
    return _texts(items, REASONING_PATH)


def has_reasoning(items: ColumnElement[Any]) -> ColumnElement[bool]:
    return _has(items, REASONING_PATH)


def refusal_texts(items: ColumnElement[Any]) -> ColumnElement[Any]:
    """The texts of refusals among items, as a JSON list; null where there are no items."""
    return _texts(items, REFUSAL_PATH)


def has_refusal(items: ColumnElement[Any]) -> ColumnElement[bool]:
    return _has(items, REFUSAL_PATH)


def _texts(items: ColumnElement[Any], path: str) -> ColumnElement[Any]:
    return func.jsonb_path_query_array(items, literal_column(path), type_=JSONB)


def _has(items: ColumnElement[Any], path: str) -> ColumnElement[bool]:
    return func.coalesce(func.jsonb_path_exists(items, literal_column(path)), False)
