"""A database with many rows, made where it is: a heavy user, a very long conversation, and values that are rare."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from tests.support.urls import driver_url

# A UUIDv7 of the n-th ten seconds since 2025.
_ID = "(lpad(to_hex(1735689600000 + {n}::bigint * 10000), 12, '0') || '7{kind}8' || lpad(to_hex({n}), 15, '0'))::uuid"
_KINDS = {"user": "001", "conversation": "002", "turn": "003"}


def _id(kind: str, n: str) -> str:
    return _ID.format(kind=_KINDS[kind], n=n)


@dataclass(frozen=True)
class Filled:
    """The data that there is to ask for.

    Args:
        turns: how many; a tenth as many conversations, a hundredth as many users.
    """

    turns: int
    user_id: UUID
    conversation_id: UUID
    head_id: UUID
    middle_id: UUID


def _statements(turns: int) -> list[str]:
    users, conversations = turns // 100, turns // 10
    # Three of ten conversations are the first user's; a tenth of all turns is in the first conversation.
    owner = f"CASE WHEN c % 10 < 3 OR c = 1 THEN 1 ELSE 2 + (c::bigint * 7919) % {users - 1} END"
    return [
        f"""
        INSERT INTO users (id, username, username_key, email, role, disabled, created_at, name_pairs)
        SELECT {_id("user", "n")}, 'Name-' || n, 'name-' || n, 'name' || n || '@example.org',
          CASE WHEN n % 500 = 1 THEN 'admin' ELSE 'user' END, n % 100 = 3, now(),
          ARRAY(SELECT DISTINCT substr('name-' || n, s, 2) FROM generate_series(1, 4 + length(n::text)) s)
        FROM generate_series(1, {users}) n""",
        "INSERT INTO user_activity (user_id, last_seen_at) SELECT id, now() FROM users",
        """
        INSERT INTO login_sessions (digest, id, user_id, created_at, last_seen_at, expires_at)
        SELECT sha256((id::text || s)::bytea), gen_random_uuid(), id, now(), now(), now() + interval '1 day'
        FROM users, generate_series(1, 5) s""",
        """
        INSERT INTO access_tokens (digest, id, user_id, name, created_at)
        SELECT sha256((id::text || s)::bytea), gen_random_uuid(), id, 'token', now()
        FROM users, generate_series(1, 2) s""",
        f"""
        INSERT INTO conversations (user_id, id, title, created_at, updated_at, last_turn_at, archived)
        SELECT {_id("user", f"({owner})")}, {_id("conversation", "c")}, 'Title ' || c, now(), now(),
          now() - c * interval '10 s', c % 50 = 0
        FROM generate_series(1, {conversations}) c""",
        """
        INSERT INTO imported_conversations (user_id, source, source_id, conversation_id, imported_at)
        SELECT user_id, 'chatgpt', 'talk-' || right(id::text, 15), id, now() FROM conversations""",
        f"""
        CREATE TEMPORARY TABLE drawn AS
        SELECT n, c, {owner} AS u, row_number() OVER (PARTITION BY c ORDER BY n) - 1 AS position,
          lag(n) OVER (PARTITION BY c ORDER BY n) AS parent
        FROM (SELECT n, CASE WHEN n % 10 = 0 THEN 1 ELSE 2 + (n::bigint * 31) % {conversations - 1} END AS c
          FROM generate_series(1, {turns}) n) drawn""",
        f"""
        INSERT INTO turns (user_id, id, conversation_id, parent_id, position, status, prompt, reply, model, rating,
          idempotency_key, reply_items, created_at, completed_at)
        SELECT {_id("user", "u")}, {_id("turn", "n")}, {_id("conversation", "c")},
          CASE WHEN parent IS NOT NULL THEN {_id("turn", "parent")} END, position,
          CASE WHEN n % 4000 = 11 THEN 'streaming' WHEN n % 1000 = 1 THEN 'failed' WHEN n % 1000 = 2 THEN 'stopped'
            WHEN n % 1000 = 3 THEN 'interrupted' ELSE 'complete' END,
          'What is the answer to question ' || n || '?', 'It is ' || md5(n::text) || ' or something like it.',
          CASE WHEN n < {turns // 100} AND n % 10 = 5 THEN 'rare' WHEN n % 10 = 1 THEN 'second' ELSE 'first' END,
          CASE WHEN n % 200 = 7 THEN 1 WHEN n % 1000 = 9 THEN -1 END,
          CASE WHEN n % 2 = 0 THEN 'key-' || n END,
          CASE WHEN n % 10 = 7 THEN jsonb_build_array(
            jsonb_build_object('type', 'reasoning', 'text', 'They want the answer to question ' || n)) END,
          to_timestamp(1735689600 + n::bigint * 10), to_timestamp(1735689601 + n::bigint * 10)
        FROM drawn ORDER BY n""",
        """
        UPDATE conversations SET head_turn_id = heads.id, turn_count = heads.count
        FROM (SELECT DISTINCT ON (user_id, conversation_id) user_id, conversation_id, id, position + 1 AS count
          FROM turns ORDER BY user_id, conversation_id, position DESC) heads
        WHERE conversations.user_id = heads.user_id AND conversations.id = heads.conversation_id""",
        """
        INSERT INTO reply_fragments (user_id, turn_id, position, text)
        SELECT user_id, id, p, 'a few words' FROM turns, generate_series(0, 99) p WHERE status = 'streaming'""",
        "DROP TABLE drawn",
        """
        INSERT INTO unsettled_turns (user_id, turn_id, conversation_id, replica_id)
        SELECT user_id, id, conversation_id, gen_random_uuid() FROM turns WHERE status = 'streaming'""",
        """
        INSERT INTO unusual_turns (user_id, turn_id, status)
        SELECT user_id, id, status FROM turns WHERE status NOT IN ('streaming', 'complete')""",
        # One of twenty turns has a file, which is called as the turn is; of each tenth nobody knows whether it is used.
        """
        INSERT INTO files (user_id, id, name, media_type, size, sha256, tokens, created_at, check_at)
        SELECT user_id, id, 'tea.png', 'image/png', 600, sha256(id::text::bytea), 1600, created_at,
          CASE WHEN random() < 0.1 THEN now() + random() * interval '1 day' END
        FROM turns WHERE right(id::text, 1) IN ('0', '5') AND position % 2 = 0""",
        """
        INSERT INTO file_pieces (user_id, file_id, number, bytes)
        SELECT user_id, id, number, sha256(id::text::bytea) FROM files, generate_series(0, 1) number""",
        "INSERT INTO turn_files (user_id, turn_id, file_id) SELECT user_id, id, id FROM files",
        "INSERT INTO file_usage (user_id, bytes) SELECT user_id, count(*) * 4096 FROM files GROUP BY user_id",
        # One of three turns came with its history, and the same few prompts are asked again and again.
        """
        INSERT INTO api_turns (user_id, turn_id, request, path_digest, prompt_digest)
        SELECT user_id, id, '{}', sha256(id::text::bytea), substr(sha256((position % 7)::text::bytea), 1, 16)
        FROM turns WHERE right(id::text, 1) IN ('1', '4', '7')""",
        # As the service makes them, of plain words.
        """
        CREATE FUNCTION pg_temp.lexemes(user_id uuid, text text) RETURNS integer[] LANGUAGE SQL AS $$
          SELECT array_agg(DISTINCT CASE WHEN word ~ '^[0-9]{1,8}$' THEN word::int ELSE hashtext(word) END)
            || ('x' || right(user_id::text, 7))::bit(28)::int
          FROM regexp_split_to_table(lower(text), '[^a-z0-9]+') word WHERE word <> ''
        $$""",
        """
        INSERT INTO turn_entries (user_id, turn_id, version, lexemes)
        SELECT user_id, id, 3, pg_temp.lexemes(user_id, prompt || ' ' || reply)
        FROM turns WHERE status <> 'streaming'""",
        """
        INSERT INTO reasoning_entries (user_id, turn_id, version, lexemes)
        SELECT user_id, id, 3, pg_temp.lexemes(user_id, reply_items #>> '{0,text}')
        FROM turns WHERE reply_items IS NOT NULL AND status <> 'streaming'""",
        # Some have entries of the release before, too.
        """
        INSERT INTO turn_search (user_id, turn_id, part, version, lexemes)
        SELECT user_id, id, 0, 1, array_to_tsvector(array_remove(
          '@' || right(user_id::text, 12) || regexp_split_to_array(lower(prompt), '[^a-z0-9]+'), ''))
        FROM turns WHERE status <> 'streaming' AND right(id::text, 1) = '3'""",
        """
        INSERT INTO reasoning_search (user_id, turn_id, part, version, lexemes)
        SELECT user_id, id, 0, 1, array_to_tsvector(ARRAY['@' || right(user_id::text, 12), 'why'])
        FROM turns WHERE reply_items IS NOT NULL AND status <> 'streaming' AND right(id::text, 1) = '3'""",
    ]


async def fill(database_url: str, turns: int) -> Filled:
    """Fill an empty, migrated database with `turns` turns, and tell PostgreSQL what is in it."""
    connection = await asyncpg.connect(driver_url(database_url))
    try:
        indexes = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes "
            "WHERE tablename IN ('turns', 'turn_entries', 'reasoning_entries', 'turn_search',"
            " 'reasoning_search') AND indexname NOT LIKE 'pk_%'"
        )
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['indexname']}")
        for statement in _statements(turns):
            await connection.execute(statement, timeout=1800)
        for index in indexes:  # sorted once, which is much faster than row by row
            await connection.execute(index["indexdef"], timeout=1800)
        await connection.execute("VACUUM ANALYZE", timeout=1800)
        longest = await connection.fetchrow(
            "SELECT user_id, id, head_turn_id, turn_count FROM conversations ORDER BY turn_count DESC LIMIT 1"
        )
        assert longest is not None
        middle = await connection.fetchval(
            "SELECT id FROM turns WHERE user_id = $1 AND conversation_id = $2 AND position = $3",
            longest["user_id"],
            longest["id"],
            longest["turn_count"] // 2,
        )
        return Filled(turns, longest["user_id"], longest["id"], longest["head_turn_id"], middle)
    finally:
        await connection.close()
