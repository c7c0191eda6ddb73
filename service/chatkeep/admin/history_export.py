"""The history as a file: page after page, each read in a short transaction of its own.

Memory does not grow with the history, and no connection is held while the client reads. A page is what it is when
it is read. Every turn that was begun before the export and is still there when its page comes is in it once; one that
is begun in the meantime is not, since the newest come first.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from chatkeep.admin.history_audit import read_history
from chatkeep.admin.history_queries import HistoryFilters
from chatkeep.admin.schemas import HistoryTurn
from chatkeep.audit.access_record import Reading
from chatkeep.database.reads import Reader
from chatkeep.http.schemas import json_line

PAGE_ROWS = 200
# Of the texts of a page, where it is of more than one turn: so much is held for a client that reads slowly.
MAX_PAGE_BYTES = 256 * 1024
QUERY_TIMEOUT_SECONDS = 60

COLUMNS = (
    "id",
    "created_at",
    "completed_at",
    "user_id",
    "username",
    "conversation_id",
    "conversation_title",
    "parent_id",
    "index",
    "status",
    "model",
    "params",
    "prompt",
    "reply",
    "input_tokens",
    "output_tokens",
    "error_code",
    "error_detail",
    "rating",
    "comment",
    "finish_reason",
    "refusal",
    "prompt_items",
    "reply_items",
    "cached_tokens",
    "reasoning_tokens",
    "left_out",
)

# The beginning of a formula for a spreadsheet, full-width forms included, behind whatever it overlooks.
_FORMULA = re.compile("[\\s\x00-\x20\u200b-\u200f\u2060\ufeff]*[=+\\-@\t\r\n＝＋－＠﹢﹣﹦﹫]")


async def history_as_jsonl(
    reader: Reader, reading: Reading, filters: HistoryFilters | None
) -> AsyncGenerator[bytes, None]:
    """Yield one turn a line, newest first, as the history's pages have them."""
    async for turns in _pages(reader, reading, filters, file_format="jsonl"):
        yield _lines(turns)


async def history_as_csv(
    reader: Reader, reading: Reading, filters: HistoryFilters | None, *, has_mark: bool = True
) -> AsyncGenerator[bytes, None]:
    """Yield a table with a header, newest turn first, for spreadsheets.

    Args:
        has_mark: begin with a byte order mark: without one, Excel reads UTF-8 in the encoding of the country.

    Source: RFC 4180; OWASP, CSV Injection.
    """
    header: list[Sequence[Any]] = [COLUMNS]
    mark = codecs.BOM_UTF8 if has_mark else b""
    async for turns in _pages(reader, reading, filters, file_format="csv"):
        yield mark + _table(header, turns)
        header, mark = [], b""
    if header:
        yield mark + _csv(header)


async def _pages(
    reader: Reader, reading: Reading, filters: HistoryFilters | None, *, file_format: str
) -> AsyncGenerator[list[HistoryTurn], None]:
    """Yield pages of turns, newest first, each when it is on record whose they are.

    A page is emptied as it is written: nothing else is held while the client reads.
    """
    after = None
    while filters is not None:
        records = await read_history(
            reader,
            reading,
            filters,
            after=after,
            limit=PAGE_ROWS,
            max_bytes=MAX_PAGE_BYTES,
            exported_as=file_format,
            timeout_seconds=QUERY_TIMEOUT_SECONDS,
        )
        if not records:
            return
        after = records[-1].id
        turns = list(map(HistoryTurn.of, records))
        del records
        yield turns


def _lines(turns: list[HistoryTurn]) -> bytes:
    written = b"".join(json_line(turn) + b"\n" for turn in turns)
    turns.clear()
    return written


def _table(header: Sequence[Sequence[Any]], turns: list[HistoryTurn]) -> bytes:
    written = _csv([*header, *map(_cells, turns)])
    turns.clear()
    return written


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([[_harmless(cell) for cell in row] for row in rows])
    return text.getvalue().encode()


def _harmless(cell: object) -> object:
    """Have a spreadsheet show text that looks like a formula: a prompt would otherwise run one for the reader."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _cells(turn: HistoryTurn) -> list[Any]:
    told = turn.model_dump(mode="json")
    usage, error, feedback, reply, context = (
        told[name] or {} for name in ("usage", "error", "feedback", "reply", "context")
    )
    inner = {
        "params": _json(told["params"]),
        "prompt": told["prompt"]["content"],
        "reply": reply.get("content"),
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "error_code": error.get("code"),
        "error_detail": error.get("detail"),
        "rating": feedback.get("rating"),
        "comment": feedback.get("comment"),
        "refusal": reply.get("refusal"),
        "prompt_items": _json(told["prompt"]["items"]),
        "reply_items": _json(reply.get("items")),
        "cached_tokens": usage.get("cached_tokens"),
        "reasoning_tokens": usage.get("reasoning_tokens"),
        "left_out": context.get("left_out"),
    }
    return [inner[name] if name in inner else told[name] for name in COLUMNS]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""
