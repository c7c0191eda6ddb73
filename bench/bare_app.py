"""What the service is measured beside: bare FastAPI on the plain tables, which keeps its prompt first.

It looks up who is asking, and asks the same model server with the last messages, as no chat goes on without them. No
connection is reset between two requests.
"""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
from fastapi import Body, FastAPI
from starlette.responses import StreamingResponse

from bench import plain_schema
from bench.contenders.contender import CONTEXT_MESSAGES
from chatkeep.ids import new_id

USERNAME = "user1"
CONNECTIONS = 8
LOOK_UP = "SELECT id, username, email, display_name, role, is_guest, created_at FROM users WHERE username_key = $1"
ME = {
    "id": "01a2033b-5e09-71ff-afbe-e688c0991438",
    "username": "alice",
    "email": None,
    "display_name": None,
    "role": "user",
    "is_guest": False,
    "created_at": "2026-11-22T12:29:12.073072Z",
}


async def keep_as_it_is(connection: object) -> None:
    """Reset nothing: a reset is a question more for each statement."""


@asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    url, size = os.environ["BENCH_DATABASE_URL"], CONNECTIONS
    async with (
        asyncpg.create_pool(url, min_size=size, max_size=size, reset=keep_as_it_is) as pool,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client,
    ):
        app.state.pool, app.state.client = pool, client
        yield


async def me() -> dict[str, Any]:
    return ME


async def me_looked_up() -> dict[str, Any]:
    user = await _user()
    return ME | {"id": user["id"], "username": user["username"], "created_at": user["created_at"]}


async def turn(conversation_id: UUID, content: str = Body(), model: str = Body()) -> dict[str, Any]:
    """Keep the prompt, ask the model, keep the reply, and answer with both."""
    await _user()
    turn_id = await _keep(conversation_id, "user", content)
    reply = "".join([piece async for piece in _pieces(await _messages(conversation_id), model)])
    await _keep(conversation_id, "assistant", reply)
    return {
        "id": turn_id,
        "conversation_id": conversation_id,
        "status": "complete",
        "prompt": {"content": content},
        "reply": {"content": reply},
        "model": model,
    }


async def streamed_turn(conversation_id: UUID, content: str = Body(), model: str = Body()) -> StreamingResponse:
    """Keep the prompt before the first byte, send each piece as it comes, and keep the reply before the last event."""
    await _user()
    turn_id = await _keep(conversation_id, "user", content)

    async def events() -> AsyncIterator[bytes]:
        yield _event("turn", {"id": str(turn_id)})
        reply, position = [], 0
        async for piece in _pieces(await _messages(conversation_id), model):
            reply.append(piece)
            position += len(piece)
            yield _event("delta", {"text": piece}, position)
        await _keep(conversation_id, "assistant", "".join(reply))
        yield _event("done", {"id": str(turn_id), "status": "complete"})

    return StreamingResponse(events(), media_type="text/event-stream")


def _event(name: str, content: Mapping[str, object], position: int | None = None) -> bytes:
    number = "" if position is None else f"id: {position}\n"
    return f"event: {name}\n{number}data: {json.dumps(content)}\n\n".encode()


async def _pieces(messages: list[dict[str, str]], model: str) -> AsyncIterator[str]:
    """Yield what the model says, as it comes."""
    body = {"model": model, "messages": messages, "stream": True}
    async with app.state.client.post(os.environ["BENCH_MODEL_URL"] + "/chat/completions", json=body) as answer:
        async for line in answer.content:
            if line.startswith(b"data: {"):
                piece = json.loads(line[6:])["choices"][0]["delta"].get("content")
                if piece:
                    yield piece


async def _user() -> Any:
    return await app.state.pool.fetchrow(LOOK_UP, USERNAME)


async def _messages(conversation_id: UUID) -> list[dict[str, str]]:
    newest_first = await app.state.pool.fetch(plain_schema.LAST_MESSAGES, conversation_id, CONTEXT_MESSAGES)
    return [{"role": each["role"], "content": each["content"]} for each in reversed(newest_first)]


async def _keep(conversation_id: UUID, role: str, content: str) -> UUID:
    message_id = new_id()
    await app.state.pool.execute(plain_schema.ADD_MESSAGE, message_id, conversation_id, role, content)
    return message_id


app = FastAPI(lifespan=life)
app.get("/me")(me)
app.get("/me/looked-up")(me_looked_up)
app.post("/conversations/{conversation_id}/turns")(turn)
app.post("/conversations/{conversation_id}/turns/streamed")(streamed_turn)


def application() -> FastAPI:
    return app
