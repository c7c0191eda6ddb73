"""Clients that do not read what they asked for, or only a little of it; and histories that are long enough for them."""

import asyncio
import socket
from uuid import UUID

import asyncpg

from tests.support.urls import driver_url

TURN_BYTES = 100_000

_TURNS = """
INSERT INTO turns (user_id, id, conversation_id, parent_id, position, status, prompt, reply, created_at, completed_at)
SELECT $1, lpad(to_hex(n), 32, '0')::uuid, $2, CASE WHEN n > 1 THEN lpad(to_hex(n - 1), 32, '0')::uuid END, n - 1,
       'complete', 'question ' || n, repeat('0123456789', $4 / 10), now(), now()
FROM generate_series(1, $3::int) AS n
"""
_HEAD = "UPDATE conversations SET head_turn_id = lpad(to_hex($3::int), 32, '0')::uuid, turn_count = $3 WHERE id = $2"


async def add_long_turns(
    database_url: str, user_id: str, conversation_id: str, turns: int, *, turn_bytes: int = TURN_BYTES
) -> None:
    """Give an empty conversation `turns` turns of `turn_bytes` each."""
    connection = await asyncpg.connect(driver_url(database_url))
    try:
        owner, conversation = UUID(user_id), UUID(conversation_id)
        await connection.execute(_TURNS, owner, conversation, turns, turn_bytes)
        await connection.execute(_HEAD + " AND user_id = $1", owner, conversation, turns)
    finally:
        await connection.close()


class UnreadAnswer:
    """An answer whose head was read, and nothing after it. With room for little on its way; Linux makes megabytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.head = b""

    @classmethod
    async def ask(cls, url: str, path: str, headers: dict[str, str]) -> "UnreadAnswer":
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", int(url.rpartition(":")[2])))
        answer = cls(*await asyncio.open_connection(sock=small, limit=2**10))
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        answer._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        answer.head = await answer._reader.readuntil(b"\r\n\r\n")
        return answer

    async def rest(self) -> tuple[int, bool]:
        """Read on to the connection's end.

        Returns:
            How many bytes came, and whether they end as a whole answer does.
        """
        size, last = 0, b""
        try:
            while chunk := await self._reader.read(2**16):
                size, last = size + len(chunk), (last + chunk)[-5:]
        except ConnectionError:
            return size, False
        finally:
            self._writer.close()
        return size, last == b"0\r\n\r\n"

    async def read_a_little(self) -> None:
        await self._reader.read(100)

    def close(self) -> None:
        self._writer.transport.abort()
