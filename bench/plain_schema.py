"""What the service is measured beside: the same messages in two plain tables, and the statements that use them."""

from typing import Any

from bench.databases import Connection

SCHEMA = "bench"
TABLES = """
CREATE SCHEMA bench;
CREATE TABLE bench.conversations (
  id uuid PRIMARY KEY, user_id uuid NOT NULL, title text, message_count integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON bench.conversations (user_id, id);
CREATE TABLE bench.messages (
  id uuid PRIMARY KEY,
  conversation_id uuid NOT NULL REFERENCES bench.conversations ON DELETE CASCADE,
  role text NOT NULL, content text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON bench.messages (conversation_id, id);
"""
CONVERSATION_COLUMNS = ("id", "user_id", "title", "message_count", "created_at", "updated_at")
MESSAGE_COLUMNS = ("id", "conversation_id", "role", "content", "created_at")

_INSERT = "INSERT INTO bench.messages (id, conversation_id, role, content) VALUES"
_COUNT = "UPDATE bench.conversations SET message_count = message_count + {}, updated_at = now() WHERE id = $2"

# One message and the conversation's counter, in one commit: a turn takes two of them.
ADD_MESSAGE = f"WITH kept AS ({_INSERT} ($1, $2, $3, $4)) {_COUNT.format(1)}"
# The limit: a whole turn at once, which can be kept no earlier than the reply's end.
ADD_TURN = f"WITH kept AS ({_INSERT} ($1, $2, 'user', $4), ($3, $2, 'assistant', $5)) {_COUNT.format(2)}"
CREATE_CONVERSATION = "INSERT INTO bench.conversations (id, user_id) VALUES ($1, $2)"
LAST_MESSAGES = "SELECT * FROM bench.messages WHERE conversation_id = $1 ORDER BY id DESC LIMIT $2"
LIST_CONVERSATIONS = "SELECT * FROM bench.conversations WHERE user_id = $1 ORDER BY updated_at DESC, id DESC LIMIT $2"


async def create(connection: "Connection[Any]") -> None:
    await connection.execute(TABLES)
