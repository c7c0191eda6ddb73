"""A conversation that came into the database all at once, as by an import."""

from uuid import UUID

import asyncpg

FILL = """
INSERT INTO turns (user_id, id, conversation_id, parent_id, position, status, prompt, reply, created_at, completed_at)
SELECT $1, lpad(to_hex(n), 32, '0')::uuid, $2, CASE WHEN n > 1 THEN lpad(to_hex(n - 1), 32, '0')::uuid END, n - 1,
       'complete', 'question ' || n, 'answer **' || n || E'**\\n\\n- one\\n- two\\n\\n' || repeat('words ', n % 90),
       now(), now()
FROM generate_series($3::int, $4) AS n
"""
HEAD = """
UPDATE conversations SET head_turn_id = lpad(to_hex($3::int), 32, '0')::uuid, turn_count = $3
WHERE user_id = $1 AND id = $2
"""


async def lengthen(
    connection: "asyncpg.Connection[asyncpg.Record]", user_id: UUID, conversation_id: UUID, *, first: int = 1, last: int
) -> None:
    """Give a conversation the turns `first` to `last`, whose ids are their numbers."""
    await connection.execute(FILL, user_id, conversation_id, first, last)
    await connection.execute(HEAD, user_id, conversation_id, last)
