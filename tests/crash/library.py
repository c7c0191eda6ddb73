"""A history of a million turns that is there before a scenario begins, as the first release would have kept it."""

from typing import Any

import asyncpg

from tests.support.urls import driver_url

CONVERSATIONS = 20_000
USER = "00000000-0000-7000-8000-00000000000a"
NAME = "library"

_CONVERSATION = "('01980000-0000-7000-9000-' || lpad(to_hex({}), 12, '0'))::uuid"
_TURN = "('01980000-0000-7000-8000-' || lpad(to_hex({}), 12, '0'))::uuid"
_FILL = (
    f"""
    INSERT INTO users (id, username, username_key, created_at, name_pairs)
    VALUES ('{USER}', '{NAME}', '{NAME}', now(), '{{}}')""",
    f"""
    INSERT INTO conversations (user_id, id, title, created_at, updated_at, last_turn_at, turn_count)
    SELECT '{USER}', {_CONVERSATION.format("c")}, 'Number ' || c, now(), now(), now(), $1::int / {CONVERSATIONS}
    FROM generate_series(0, {CONVERSATIONS - 1}) c""",
    f"""
    INSERT INTO turns
      (user_id, id, conversation_id, parent_id, position, status, prompt, reply, model, created_at, completed_at)
    SELECT '{USER}', {_TURN.format("n")}, {_CONVERSATION.format(f"n % {CONVERSATIONS}")},
      CASE WHEN n >= {CONVERSATIONS} THEN {_TURN.format(f"n - {CONVERSATIONS}")} END, n / {CONVERSATIONS},
      CASE WHEN n % 1000 = 1 THEN 'failed' WHEN n % 1000 = 2 THEN 'stopped' ELSE 'complete' END,
      'What is the answer to question ' || n || '?', 'It is ' || md5(n::text) || ', or something like it.',
      'model', now(), now()
    FROM generate_series(0, $1::int - 1) n""",
    f"""
    INSERT INTO turn_entries (user_id, turn_id, version, lexemes)
    SELECT user_id, id, 3, ARRAY[1, 2, hashtext(id::text)]
    FROM turns WHERE user_id = '{USER}' AND $1 > 0""",
    f"""
    INSERT INTO user_activity (user_id, conversation_count, turn_count)
    VALUES ('{USER}', {CONVERSATIONS}, $1)
    ON CONFLICT (user_id) DO UPDATE SET conversation_count = {CONVERSATIONS}, turn_count = $1""",
)
_SUMS = f"""
SELECT count(*),
  sum(hashtext(concat_ws('|', id, conversation_id, parent_id, position, status, prompt, reply, model))::bigint)
FROM turns WHERE user_id = '{USER}'"""
_FILES = "SELECT relname, pg_relation_filenode(oid) AS file FROM pg_class WHERE relname = ANY($1)"
_TABLES = ["turns", "turn_entries", "conversations", "users", "reply_fragments", "login_sessions", "pk_turns"]


class Library:
    """The history in one database.

    Args:
        url: of the database, at the first release's revision or later.
        turns: how many.
    """

    def __init__(self, url: str, turns: int) -> None:
        self._url = driver_url(url)
        self._turns = turns

    async def fill(self) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            for statement in _FILL:
                await connection.execute(statement, *([self._turns] if "$1" in statement else []))
            await connection.execute("VACUUM ANALYZE")
        finally:
            await connection.close()

    async def sums(self) -> tuple[Any, ...]:
        """Return a digest that changes when any of its turns does."""
        connection = await asyncpg.connect(self._url)
        try:
            return tuple(await connection.fetchrow(_SUMS) or ())
        finally:
            await connection.close()

    async def files(self) -> dict[str, int]:
        """Return the file of each table; one that was rewritten has another."""
        connection = await asyncpg.connect(self._url)
        try:
            return {row["relname"]: row["file"] for row in await connection.fetch(_FILES, _TABLES)}
        finally:
            await connection.close()
