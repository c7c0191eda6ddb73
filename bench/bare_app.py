"""What the service is measured beside: FastAPI with nothing around it, written as its tutorial does."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import Body, FastAPI
from starlette.responses import StreamingResponse

from chatkeep.clock import utc_now
from chatkeep.ids import new_id

PIECES = 2_000
TEXT = "word and "

# What the demonstration answers to "Hello": as long, and as much to write.
REPLY = (
    "## Demonstration reply\n\nThis is turn **1** of our conversation.\n\nNow you write: “Hello”\n\n"
    + "Nobody thought about this answer: the built-in demonstration wrote it. " * 6
)
INSERT = "INSERT INTO bench.turns (id, user_id, prompt, reply, created_at) VALUES ($1, $2, $3, $4, $5)"
ME = {
    "id": "01a2033b-5e09-71ff-afbe-e688c0991438",
    "username": "alice",
    "email": None,
    "display_name": None,
    "role": "user",
    "is_guest": False,
    "created_at": "2026-11-22T12:29:12.073072Z",
}


@asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=4, max_size=8) as pool:
        app.state.pool = pool
        yield


async def me() -> dict[str, Any]:
    return ME


async def me_looked_up() -> dict[str, Any]:
    user = await _index_lookup("user1")
    return ME | {"id": user["id"], "username": user["username"], "created_at": user["created_at"]}


async def turn(content: str = Body(), stream: bool = Body()) -> dict[str, Any]:
    """One look-up and one insert."""
    user = await _index_lookup("user1")
    turn_id, now = new_id(), utc_now()
    await _pool().execute(INSERT, *(turn_id, user["id"], content, REPLY, now))
    return _turn(user, turn_id, content, now)


async def turn_kept_first(content: str = Body(), stream: bool = Body()) -> dict[str, Any]:
    """The same, and the prompt is kept before there is a reply."""
    user = await _index_lookup("user1")
    turn_id, now = new_id(), utc_now()
    await _pool().execute(INSERT, *(turn_id, user["id"], content, "", now))
    await _pool().execute("UPDATE bench.turns SET reply = $2 WHERE id = $1", turn_id, REPLY)
    return _turn(user, turn_id, content, now)


def _turn(user: Any, turn_id: UUID, content: str, now: datetime) -> dict[str, Any]:
    return {
        "id": turn_id,
        "conversation_id": user["id"],
        "parent_id": None,
        "index": 0,
        "status": "complete",
        "prompt": {"content": content},
        "reply": {"content": REPLY},
        "model": "demonstration",
        "params": {},
        "usage": {"input_tokens": 7, "output_tokens": 129},
        "error": None,
        "feedback": None,
        "siblings": {"count": 1, "position": 1},
        "created_at": now,
        "completed_at": now,
    }


async def stream(pieces: int = PIECES, pause_ms: int = 0) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(1, pieces + 1):
            await asyncio.sleep(pause_ms / 1000)
            yield b'event: delta\nid: %d\ndata: {"text":"%s"}\n\n' % (number * len(TEXT), TEXT.encode())

    return StreamingResponse(chunks(), media_type="text/event-stream")


async def hold() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'event: delta\nid: 0\ndata: {"text":"%s"}\n\n' % TEXT.encode()
        await asyncio.sleep(3600)

    return StreamingResponse(chunks(), media_type="text/event-stream")


def _pool() -> "asyncpg.Pool[asyncpg.Record]":
    pool: asyncpg.Pool[asyncpg.Record] = app.state.pool
    return pool


async def _index_lookup(name: str) -> Any:
    return await _pool().fetchrow(
        "SELECT id, username, email, display_name, role, is_guest, created_at FROM users WHERE username_key = $1", name
    )


app = FastAPI(lifespan=life)
app.get("/me")(me)
app.get("/me/looked-up")(me_looked_up)
app.post("/turns")(turn)
app.post("/turns/kept-first")(turn_kept_first)
app.get("/stream")(stream)
app.get("/hold")(hold)


def application() -> FastAPI:
    return app
