"""A service in whose database every table has rows: of a user, and of what nobody in particular has."""

from dataclasses import dataclass, field

import asyncpg

from chatkeep.accounts.identity import TOKEN_PREFIX
from chatkeep.database.tables import metadata
from chatkeep.sessions import digest_of
from tests.chat.files.pictures import add
from tests.support.running_service import Person, RunningService
from tests.transfer.formats.test_chatgpt import numbered
from tests.transfer.upload_client import imported

MANY = 8
WORDS = "something to find 東京"

# What a service at work leaves behind seldom, and here many of each.
ROWS = (
    """INSERT INTO users (id, username, username_key, created_at, email, display_name)
       SELECT gen_random_uuid(), 'other-' || n, 'other-' || n, now(), n || '@example.org', 'n'
       FROM generate_series(1, 8) n""",
    """INSERT INTO password_links (user_id, digest, kind, created_at, expires_at)
       SELECT id, sha256(id::text::bytea), 'reset', now(), now() + '1 day' FROM users WHERE username LIKE 'other-%'""",
    "INSERT INTO user_activity (user_id, last_seen_at) SELECT id, now() FROM users WHERE username LIKE 'other-%'",
    "INSERT INTO file_usage (user_id, bytes) SELECT id, 4096 FROM users WHERE username LIKE 'other-%'",
    """INSERT INTO login_sessions (digest, id, user_id, created_at, last_seen_at, expires_at, ip, user_agent)
       SELECT sha256(n::text::bytea), gen_random_uuid(), $1, now(), now(), now() + '1 day', '127.0.0.1', 'a browser'
       FROM generate_series(1, 8) n""",
    """INSERT INTO login_sessions (digest, id, created_at, last_seen_at, expires_at, max_inactive_seconds, ends_at)
       SELECT sha256(('s' || n)::bytea), gen_random_uuid(), now(), now(), now() + '1 day', 600, now() + '1 day'
       FROM generate_series(1, 8) n WHERE $1::uuid IS NOT NULL""",
    """INSERT INTO login_attempts (bucket, attempts, window_ends_at)
       SELECT sha256(n::text::bytea), 1, now() + '1 hour' FROM generate_series(1, 8) n WHERE $1::uuid IS NOT NULL""",
    """INSERT INTO replicas (id, started_at, lease_expires_at, machine, pid, process_began_at)
       SELECT gen_random_uuid(), now(), now() + '1 hour', 'another', n, now() FROM generate_series(1, 8) n
       WHERE $1::uuid IS NOT NULL""",
    """INSERT INTO statistics (hour, model, measure, bucket, count)
       SELECT date_trunc('hour', now()), 'm' || n, 'complete', 0, 1 FROM generate_series(1, 8) n
       UNION ALL SELECT date_trunc('hour', now()), 'm' || n, 'duration', n, 1 FROM generate_series(1, 8) n
       WHERE $1::uuid IS NOT NULL""",
    """INSERT INTO statistics_notes (user_id, kind, model, at, duration_ms, first_text_ms, input_tokens, output_tokens)
       SELECT $1, 'complete', 'm', now(), 10, 5, 1, 2 FROM generate_series(1, 8)""",
    # As if a model had thought what was said.
    """UPDATE turns SET reply_items = jsonb_build_array(jsonb_build_object('type', 'reasoning', 'text', prompt),
         jsonb_build_object('type', 'message', 'start', 0, 'end', length(reply)))
       WHERE length(reply) > 0 AND user_id = $1""",
    "INSERT INTO reasoning_entries SELECT * FROM turn_entries",
    # As if the release before had made entries of some, too.
    """INSERT INTO turn_search (user_id, turn_id, part, version, lexemes)
       SELECT user_id, turn_id, 0, 1, array_to_tsvector(ARRAY['tea']) FROM turn_entries
       WHERE user_id = $1 ON CONFLICT DO NOTHING""",
    "INSERT INTO reasoning_search SELECT * FROM turn_search",
    # As if these had ended just now; nobody makes their entries before tomorrow.
    """INSERT INTO unsettled_turns (user_id, turn_id, conversation_id, replica_id, ended_at)
       SELECT user_id, id, conversation_id, gen_random_uuid(), now() + interval '1 day' FROM turns
       WHERE user_id = $1 ON CONFLICT DO NOTHING""",
    """INSERT INTO unusual_turns (user_id, turn_id, status) SELECT user_id, id, 'failed' FROM turns
       WHERE user_id = $1 ON CONFLICT DO NOTHING""",
    """INSERT INTO api_turns (user_id, turn_id, request, path_digest, prompt_digest)
       SELECT user_id, id, '{"instructions": "Be brief."}', sha256('path'), sha256('prompt') FROM turns
       WHERE user_id = $1""",
)
STREAMING = """
WITH replica AS (SELECT id FROM replicas WHERE machine = 'another' LIMIT 1),
     turn AS (INSERT INTO turns (user_id, id, conversation_id, position, status, prompt, replica_id, created_at)
              SELECT $1, gen_random_uuid(), $2, 0, 'streaming', 'prompt', NULL, now() FROM replica RETURNING id),
     running AS (INSERT INTO unsettled_turns (user_id, turn_id, conversation_id, replica_id)
                 SELECT $1, turn.id, $2, replica.id FROM turn, replica),
     streaming AS (UPDATE conversations SET streaming_turn_id = turn.id, head_turn_id = turn.id FROM turn
                   WHERE user_id = $1 AND conversations.id = $2)
INSERT INTO reply_fragments (user_id, turn_id, position, text)
SELECT $1, id, n * 4, 'text' FROM turn, generate_series(0, 7) n
"""


@dataclass(frozen=True)
class Filled:
    """The users in the database, beside the administrator.

    Args:
        tokens: secrets of the user's access tokens.
    """

    person: Person
    conversations: list[str]
    turns: list[tuple[str, str]]
    tokens: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


async def fill(service: RunningService, connection: "asyncpg.Connection[asyncpg.Record]", admin: Person) -> Filled:
    """Have somebody use the service and an administrator read it, and fill the tables."""
    person = await service.person("subject")
    await imported(person, numbered(*range(MANY)))
    for _ in range(MANY):
        conversation = await person.conversation(title=WORDS, system_prompt="Be brief.", params={"seed": 1}, model="m")
        kept = await add(person, conversation.encode(), "tea.txt")
        turn = await person.say(conversation, WORDS, items=[{"type": "file", "file_id": kept["id"]}])
        answer = await person.client.put(
            f"/api/v1/conversations/{conversation}/turns/{turn['id']}/feedback", json={"rating": 1, "comment": "good"}
        )
        assert answer.status_code == 200, answer.text
    answer = await person.client.post("/chat_stream", json={"user_input": WORDS})
    assert answer.status_code == 200, answer.text
    for _ in range(MANY):
        assert (await admin.client.get("/api/v1/admin/history")).status_code == 200
    for statement in ROWS:
        await connection.execute(statement, *([person.id] if "$1" in statement else []))
    await connection.execute(STREAMING, person.id, await person.conversation(title="being answered"))
    tokens = await _tokens(connection, person)
    turns = await connection.fetch("SELECT conversation_id, id FROM turns ORDER BY id DESC")
    conversations = await connection.fetch("SELECT id FROM conversations ORDER BY id DESC")
    for table in metadata.sorted_tables:
        assert await connection.fetchval(f"SELECT count(*) FROM {table.name}") >= MANY, table.name
    return Filled(
        person,
        [str(row["id"]) for row in conversations],
        [(str(row["conversation_id"]), str(row["id"])) for row in turns],
        tokens,
        [str(row["id"]) for row in await connection.fetch("SELECT id FROM files ORDER BY id DESC")],
    )


async def _tokens(connection: "asyncpg.Connection[asyncpg.Record]", person: Person) -> list[str]:
    secrets = [f"{TOKEN_PREFIX}{number}{'x' * 42}" for number in range(MANY)]
    await connection.executemany(
        "INSERT INTO access_tokens (digest, id, user_id, name, created_at, last_used_at, expires_at) "
        "VALUES ($1, gen_random_uuid(), $2, 'name', now(), now(), now() + '1 day')",
        [(digest_of(secret), person.id) for secret in secrets],
    )
    return secrets
