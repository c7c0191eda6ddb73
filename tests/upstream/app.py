"""The test server's two endpoints, as a bare ASGI application."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.upstream.faults import Plan, fault_name, plan_for, refusal_of_usage, wrong_key
from tests.upstream.replies import Message, pieces, reply_to, text_of, texts_of
from tests.upstream.tools import calls_for

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

NOT_PARAMS = frozenset({"model", "messages", "stream", "stream_options"})


@dataclass
class Received:
    """One request, as it came.

    Attributes:
        headers: names in lower case.
        client_port: the same for requests over the same connection.
        disconnected: set once the client has gone before the answer was whole.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    client_port: int
    body: Mapping[str, Any] = field(default_factory=dict)
    disconnected: threading.Event = field(default_factory=threading.Event)

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def messages(self) -> list[Message]:
        return list(self.body.get("messages", ()))

    @property
    def params(self) -> dict[str, Any]:
        """Every member of the body that is not the conversation."""
        return {name: value for name, value in self.body.items() if name not in NOT_PARAMS}

    @property
    def newest_prompt(self) -> str:
        prompts = texts_of(self.messages, "user")
        return prompts[-1] if prompts else ""


class UpstreamApp:
    """`POST /v1/chat/completions` and `GET /v1/models`.

    Args:
        replies: known replies by prompt; any other prompt gets a reply made of the conversation.
        api_key: the only bearer token that is let in; None lets everyone in.
        models: the names that `GET /v1/models` lists.
        pause_seconds: before each word of every reply.
    """

    def __init__(
        self,
        replies: Mapping[str, str] | None = None,
        api_key: str | None = None,
        models: Sequence[str] = ("test-model",),
        pause_seconds: float = 0.0,
    ) -> None:
        self.replies = replies or {}
        self.api_key = api_key
        self.models = models
        self.pause_seconds = pause_seconds
        self.requests: list[Received] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        received = _received(scope, await _body(receive))
        self.requests.append(received)
        gone = asyncio.create_task(_gone(receive))
        try:
            await self._answer(received, _Answer(send, gone, received))
        finally:
            gone.cancel()

    async def _answer(self, received: Received, answer: "_Answer") -> None:
        token = received.headers.get("authorization", "").removeprefix("Bearer ")
        if self.api_key is not None and token != self.api_key:
            await answer.send_plan(wrong_key(token))
        elif (received.method, received.path) == ("GET", "/v1/models"):
            await answer.send_json({"object": "list", "data": [_model(name) for name in self.models]})
        elif (received.method, received.path) == ("POST", "/v1/chat/completions"):
            await self._complete(received, answer, token)
        else:
            await answer.send_json({"detail": "Not Found"}, status=404)

    async def _complete(self, received: Received, answer: "_Answer", token: str) -> None:
        plan = self._plan(received, token)
        calls = calls_for(received.body, received.newest_prompt)
        reply = reply_to(received.body, self.replies)
        if not plan.answers:
            await answer.hang()
        elif plan.body is not None:
            await answer.send_plan(plan)
        elif calls:
            await answer.call(calls)
        elif received.body.get("stream"):
            await answer.stream(plan, list(plan.texts if plan.texts is not None else pieces(reply)))
        else:
            await answer.send_json(_completion(received, reply))

    def _plan(self, received: Received, token: str) -> Plan:
        name = fault_name(received.model, received.newest_prompt)
        if name == "fault-400-usage":
            return refusal_of_usage() if "stream_options" in received.body else Plan()
        if "reasoning_effort" in received.body and name is None:
            name = "fault-reasoning"
        same = [each for each in self.requests if each.body == received.body]
        plan = plan_for(name, received.newest_prompt, len(same) - 1, token)
        return plan if plan.pause_seconds else _paused(plan, self.pause_seconds)


class _Answer:
    """One answer on its way; it notices when nobody is there to read it."""

    def __init__(self, send: Send, gone: "asyncio.Task[None]", received: Received) -> None:
        self._send = send
        self._gone = gone
        self._received = received

    async def send_plan(self, plan: Plan) -> None:
        await self._start(plan.status, plan.headers)
        await self._send({"type": "http.response.body", "body": plan.body or b""})

    async def send_json(self, document: Mapping[str, Any], status: int = 200) -> None:
        await self._start(status, {"content-type": "application/json"})
        await self._send({"type": "http.response.body", "body": json.dumps(document).encode()})

    async def hang(self) -> None:
        await self._gone
        self._received.disconnected.set()

    async def call(self, calls: Sequence[Mapping[str, Any]]) -> None:
        """Stream calls of tools: this service asks for nothing else."""
        events = [_chunk({"role": "assistant", "content": None, "tool_calls": calls})]
        events += [_chunk({}, finish_reason="tool_calls"), {"choices": [], "usage": _usage(self._received, "")}]
        await self._start(200, {"content-type": "text/event-stream; charset=utf-8"})
        body = b"".join(map(_event, events)) + b"data: [DONE]\n\n"
        await self._send({"type": "http.response.body", "body": body})

    async def stream(self, plan: Plan, texts: Sequence[str]) -> None:
        await self._start(200, {"content-type": "text/event-stream; charset=utf-8"})
        async for event in self._events(plan, texts):
            await self._send({"type": "http.response.body", "body": event, "more_body": True})
        if not self._received.disconnected.is_set():
            await self._send({"type": "http.response.body", "body": b""})

    async def _events(self, plan: Plan, texts: Sequence[str]) -> AsyncIterator[bytes]:
        if plan.words != 0:
            yield _event(_chunk({"role": "assistant", "content": ""}))
        for text in plan.reasoning:
            yield _event(_chunk({"reasoning_content": text, "content": None}))
        for text in texts[: plan.words]:
            if await self._left_during(plan.pause_seconds):
                return
            yield _event(_chunk({"content": text}))
        async for event in self._end(plan, texts):
            yield event

    async def _end(self, plan: Plan, texts: Sequence[str]) -> AsyncIterator[bytes]:
        if plan.ending == "reset":
            # An application that fails in the middle makes the server drop the connection.
            raise ConnectionResetError
        if plan.ending == "half-json":
            yield b'data: {"choices": [{"index": 0, "delta": {"cont\n\n'
        if plan.ending == "error-event":
            yield _event({"error": {"message": "out of memory", "code": 500}})
        if plan.words is None:
            yield _event(_chunk({}, finish_reason="stop"))
        if plan.ending == "hang":
            await self.hang()
        if plan.usage and plan.words is None and self._wants_usage():
            yield _event({"choices": [], "usage": _usage(self._received, "".join(texts))})
        if plan.ending == "whole":
            yield b"data: [DONE]\n\n"

    async def _left_during(self, seconds: float) -> bool:
        """Wait, and return whether the client went away meanwhile."""
        done, _ = await asyncio.wait([self._gone], timeout=seconds)
        if done:
            self._received.disconnected.set()
        return bool(done)

    def _wants_usage(self) -> bool:
        return bool((self._received.body.get("stream_options") or {}).get("include_usage"))

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        # A cookie that must not come back: it would be every user's.
        raw = [(name.encode(), value.encode()) for name, value in {**headers, "set-cookie": "who=1"}.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _received(scope: Scope, body: bytes) -> Received:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    document = json.loads(body) if body else {}
    return Received(scope["method"], scope["path"], headers, scope["client"][1], document)


def _paused(plan: Plan, pause_seconds: float) -> Plan:
    return replace(plan, pause_seconds=pause_seconds)


def _event(document: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def _chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "choices": [choice]}


def _completion(received: Received, reply: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": received.model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _usage(received, reply),
    }


def _usage(received: Received, reply: str) -> dict[str, int]:
    asked = sum(len(pieces(text_of(message))) for message in received.messages)
    answered = len(pieces(reply))
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "tests"}
