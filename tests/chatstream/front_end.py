"""A front end as it is written for ChatStream: it knows its endpoints and its wire, and nothing of this service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpx2

MARK = "<::EOS::>"
MESSAGE_ID = "x-chatstream-last-generated-message-id"
CONVERSATION = "x-chatkeep-conversation"


@dataclass
class Reply:
    """The answer as it stands; `texts` are the whole texts in the order in which they came."""

    message_id: str
    conversation: str
    texts: list[str]

    @property
    def text(self) -> str:
        return self.texts[-1]


@dataclass
class FrontEnd:
    """One tab.

    Args:
        conversation: the tab's own; None for the session's current one.
    """

    client: httpx2.AsyncClient
    conversation: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {CONVERSATION: self.conversation} if self.conversation else {}

    @asynccontextmanager
    async def streaming(self, **body: Any) -> AsyncIterator[tuple[Reply, AsyncIterator[str]]]:
        """Yield the reply and the whole texts as they come; leaving the block early hangs up."""
        async with self.client.stream("POST", "/chat_stream", json=body, headers=self.headers) as answer:
            if answer.status_code != 200:
                await answer.aread()
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            reply = Reply(answer.headers[MESSAGE_ID], answer.headers.get(CONVERSATION, ""), [])
            yield reply, _texts(answer, reply)

    async def chat(self, user_input: str | None = None, **body: Any) -> Reply:
        """Say something and read the reply to its end."""
        if user_input is not None:
            body["user_input"] = user_input
        async with self.streaming(**body) as (reply, texts):
            async for _ in texts:
                pass
            return reply

    async def post(self, path: str, json: Any = None) -> httpx2.Response:
        return await self.client.post(path, json=json, headers=self.headers)

    async def get(self, path: str) -> httpx2.Response:
        return await self.client.get(path, headers=self.headers)

    async def prompt(self) -> str | None:
        answer = await self.get("/get_prompt")
        assert answer.status_code == 200, answer.text
        found = answer.json()["prompt"]
        return None if found is None else unquote(found)


async def _texts(answer: httpx2.Response, reply: Reply) -> AsyncIterator[str]:
    buffer = ""
    async for piece in answer.aiter_text():
        *whole, buffer = (buffer + piece).split(MARK)
        for text in whole:
            reply.texts.append(text)
            yield text
    assert buffer == "", "the last text has its mark"
