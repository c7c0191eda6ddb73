"""A database with history in it: two million turns by default, made by the server itself."""

import asyncpg

USERS = 5_000
CONVERSATIONS_A_USER = 20
TURNS_A_CONVERSATION = 20

# Ids as the application makes them, with the time in front, but the same on every run.
_ID = """
CREATE FUNCTION pg_temp.made_id(kind text, number bigint, milliseconds bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
  SELECT (lpad(to_hex(milliseconds), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid
  FROM (SELECT md5(kind || number) AS h) AS hashed
$$"""
_BEGAN = 1_700_000_000_000

_STEPS = (
    """INSERT INTO users (id, username, username_key, role, created_at, name_pairs)
       SELECT pg_temp.made_id('user', n, {began} + n), 'user' || n, 'user' || n, 'user', now(), '{{}}'
       FROM generate_series(0, {users} - 1) AS n""",
    """INSERT INTO user_activity (user_id, conversation_count, turn_count)
       SELECT id, {conversations}, {conversations} * {turns} FROM users""",
    """INSERT INTO conversations
         (user_id, id, title, head_turn_id, turn_count, created_at, updated_at, last_turn_at)
       SELECT pg_temp.made_id('user', n / {conversations}, {began} + n / {conversations}),
              pg_temp.made_id('conversation', n, {began} + n * 100), 'Conversation ' || n,
              pg_temp.made_id('turn', n * {turns} + {turns} - 1, {began} + n * 100 + {turns} - 1), {turns},
              t, t, t
       FROM generate_series(0, {users} * {conversations} - 1) AS n,
            LATERAL (SELECT to_timestamp(({began} + n * 100) / 1000.0) AS t) AS times""",
    """INSERT INTO turns
         (user_id, id, conversation_id, parent_id, position, status, prompt, reply, model, created_at, completed_at)
       SELECT pg_temp.made_id('user', n / ({conversations} * {turns}), {began} + n / ({conversations} * {turns})),
              pg_temp.made_id('turn', n, {began} + n / {turns} * 100 + n % {turns}),
              pg_temp.made_id('conversation', n / {turns}, {began} + n / {turns} * 100),
              CASE WHEN n % {turns} > 0
                   THEN pg_temp.made_id('turn', n - 1, {began} + n / {turns} * 100 + n % {turns} - 1) END,
              n % {turns}, 'complete', 'What is ' || md5(n::text) || '?',
              repeat('It is ' || md5(n::text) || '. ', 5), 'demonstration', t, t
       FROM generate_series({first}::bigint, {last}::bigint - 1) AS n,
            LATERAL (SELECT to_timestamp(({began} + n / {turns} * 100 + n % {turns}) / 1000.0) AS t) AS times""",
)


async def fill(connection: "asyncpg.Connection[asyncpg.Record]", *, users: int = USERS) -> int:
    """Fill an empty, migrated database; return how many turns it has.

    Args:
        users: each has 20 conversations of 20 turns.
    """
    total = users * CONVERSATIONS_A_USER * TURNS_A_CONVERSATION
    values = {
        "began": _BEGAN,
        "users": users,
        "conversations": CONVERSATIONS_A_USER,
        "turns": TURNS_A_CONVERSATION,
    }
    await connection.execute(_ID)
    *rest, turns = _STEPS
    for step in rest:
        await connection.execute(step.format(**values))
    for first in range(0, total, 200_000):
        await connection.execute(turns.format(**values, first=first, last=min(first + 200_000, total)))
        print(f"  {min(first + 200_000, total):,} of {total:,} turns", flush=True)
    await connection.execute("VACUUM (ANALYZE)")
    return total
