"""What the service is measured beside: FastAPI with nothing around it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import Body, FastAPI
from starlette.responses import StreamingResponse

from service.ids import new_id

PIECES = 2_000
TEXT = "word and "


@asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=4, max_size=8) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=life)


@app.get("/me")
async def me() -> dict[str, str]:
    return {"id": "01a2033b-5e09-71ff-afbe-e688c0991438", "username": "alice", "role": "user"}


@app.post("/turns")
async def turn(content: str = Body(embed=True)) -> dict[str, Any]:
    """One look-up and one insert."""
    pool: asyncpg.Pool[asyncpg.Record] = app.state.pool
    user = await pool.fetchrow("SELECT id, username FROM users WHERE username_key = $1", "user7")
    turn_id = new_id()
    await pool.execute("INSERT INTO bench_turns (id, prompt) VALUES ($1, $2)", turn_id, content)
    return {"id": str(turn_id), "username": user["username"] if user else None, "prompt": content}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(PIECES):
            await asyncio.sleep(0)
            yield b'event: delta\nid: %d\ndata: {"text":"%s"}\n\n' % (number, TEXT.encode())

    return StreamingResponse(chunks(), media_type="text/event-stream")
