"""Requests as bytes, made from the document and then damaged."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.fuzz.values import Fitting, hostile, nested

# What the document leaves out: the OpenAI-compatible API, the AI SDK's chats, ChatStream's endpoints, pages with what
# they load, and operations.
UNDOCUMENTED: Sequence[tuple[str, str]] = (
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model_id}"),
    ("POST", "/v1/responses"),
    ("GET", "/v1/responses/{response_id}"),
    ("POST", "/v1/responses/{response_id}/cancel"),
    ("DELETE", "/v1/responses/{response_id}"),
    ("GET", "/v1/responses/{response_id}/input_items"),
    ("POST", "/v1/conversations"),
    ("GET", "/v1/conversations"),
    ("POST", "/v1/conversations/{conversation_id}"),
    ("POST", "/v1/conversations/{conversation_id}/items"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/files"),
    ("GET", "/v1/files/{file_id}/content"),
    ("POST", "/api/v1/ui/chat"),
    ("GET", "/api/v1/ui/chat/{chat_id}/stream"),
    ("GET", "/api/v1/ui/chat/{chat_id}/messages"),
    ("POST", "/api/v1/ui/chat/{chat_id}/stop"),
    ("POST", "/chat_stream"),
    ("POST", "/clear_context"),
    ("GET", "/get_prompt"),
    ("POST", "/set_generation_params"),
    ("GET", "/get_generation_params"),
    ("POST", "/set_feedback"),
    ("GET", "/get_load"),
    ("GET", "/get_resource_usage"),
    ("GET", "/metrics"),
    ("GET", "/readyz"),
    ("HEAD", "/healthz"),
    ("GET", "/docs"),
    ("GET", "/"),
    ("GET", "/c/{conversation_id}"),
    ("GET", "/account"),
    ("GET", "/static/{digest}/{language}/{name}"),
    ("GET", "/web/conversations/{conversation_id}/turns"),
    ("GET", "/web/conversations/{conversation_id}/turns/{turn_id}"),
    ("POST", "/web/markdown"),
    ("GET", "/console/users"),
    ("GET", "/console"),
    ("GET", "/console/conversations/{conversation_id}"),
    ("GET", "/console/history"),
    ("GET", "/console/statistics"),
    ("GET", "/console/audit"),
    ("GET", "/console/running"),
    ("GET", "/web/console/conversations/{conversation_id}/turns"),
    ("GET", "/web/console/running"),
    ("POST", "/web/console/audit/verification"),
)
UNDOCUMENTED_BODIES: Sequence[object] = (
    {"model": "m", "input": "tea"},
    {"model": "m", "input": [{"role": "user", "content": "tea"}], "stream": True},
    {"model": "m", "messages": [{"role": "user", "content": "tea"}], "stream": True},
    {"items": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "tea"}]}]},
    {"id": "tea", "messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "tea"}]}]},
    {"user_input": "tea", "regenerate": False},
    {"regenerate": True},
    {"temperature": 0.5, "top_k_value": 3, "top_p_value": 0.5},
    {"message_id": "0198c0de-0000-7000-8000-000000000001", "is_like": True, "form_data": {"why": "good"}},
    {"markdown": "# *x*"},
)
QUERY_NAMES = ("limit", "cursor", "q", "from", "to", "format", "page", "user_id", "status", "model", "order", "lang")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "G" * 300)
HEADERS: Mapping[str, Sequence[str]] = {
    "Accept": ("text/event-stream", "text/html", "application/json", "*/*;q=0", "\xff\xfe", "," * 500),
    "Accept-Encoding": ("gzip", "identity;q=0", "*;q=0", "br;q=nan"),
    "Accept-Language": ("ja", "en-GB,ja;q=0.5", "*;q=1e400", "-" * 300),
    "Authorization": ("Bearer x", "Bearer ", "Basic Og==", "Basic !!!", "Digest", "Bearer \xe9"),
    "Content-Encoding": ("gzip", "deflate", "zstd"),
    "Content-Type": (
        "application/json",
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "a/b/c",
    ),
    "Cookie": ("sid=x", "sid=", "sid=" + "A" * 3_000, ";;;=", 'sid="\\', "sid=\xff; sid=y", "_device=1"),
    "Expect": ("100-continue", "200-maybe"),
    "Forwarded": ("for=unknown", "for=[::1]:99999;proto=gopher"),
    "Host": ("127.0.0.1", "evil.example", "[::1", "a" * 300, ""),
    "Idempotency-Key": ("k", "k" * 256, "\x7f", "same"),
    "If-None-Match": ("*", '"x"', "W/"),
    "Last-Event-ID": ("0", "-1", "9" * 400, "²", "1.5", ""),
    "Origin": ("null", "http://evil.example", "http://127.0.0.1:0", "x"),
    "Range": ("bytes=0-1", "bytes=-1", "bytes=9-0,1-"),
    "Sec-Fetch-Site": ("cross-site", "same-site", "none", "x"),
    "Transfer-Encoding": ("chunked", "gzip, chunked", "identity"),
    "Upgrade": ("websocket", "h2c"),
    "X-Chatkeep-Conversation": ("x", "0198c0de-0000-7000-8000-0000000c0de0"),
    "X-Forwarded-For": ("10.0.0.1", "::1%eth0", "x" * 300, "1.2.3.4, , 5"),
    "X-Forwarded-Prefix": ("/chat", "//evil", "/%00"),
    "X-Forwarded-User": ("admin", "\xff"),
    "X-Request-ID": ("x" * 200, "\x1b[31m", "ok"),
}


@dataclass
class Caller:
    """Somebody who asks.

    Attributes:
        headers: the cookie or token that shows who it is; empty for nobody.
        known: ids of what is there, by the name that a path gives them.
    """

    name: str
    headers: Mapping[str, str]
    known: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it goes over the wire.

    Attributes:
        is_whole: HTTP, all of it: an answer has to come.
    """

    label: str
    caller: str
    payload: bytes
    is_whole: bool


@dataclass
class Operation:
    method: str
    path: str
    parameters: Sequence[Mapping[str, Any]] = ()
    body: Mapping[str, Any] | None = None


def operations_of(document: Mapping[str, Any]) -> list[Operation]:
    """Return everything that can be asked, by the document and beside it."""
    found = [
        Operation(
            method.upper(),
            path,
            [each for each in operation.get("parameters", ()) if "schema" in each],
            operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema"),
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete", "head")
    ]
    return found + [Operation(method, path) for method, path in UNDOCUMENTED]


class Requests:
    """Makes requests without end; the same ones for the same seed."""

    def __init__(self, chance: random.Random, document: Mapping[str, Any], host: str) -> None:
        self._chance = chance
        self._schemas = document["components"]["schemas"]
        self._operations = operations_of(document)
        self._host = host

    def by(self, caller: Caller) -> Request:
        spoiling = self._chance.choice((0.0, 0.05, 0.3))
        ids = [each for known in caller.known.values() for each in known]
        fitting = Fitting(self._chance, self._schemas, ids, spoiling=spoiling)
        operation = self._chance.choice(self._operations)
        headers = {"Host": self._host, **caller.headers}
        path = self._path(operation, fitting, headers, caller.known)
        body = self._body(operation, fitting, headers)
        return self._written(operation, path, headers, body, caller)

    def _path(
        self, operation: Operation, fitting: Fitting, headers: dict[str, str], known: Mapping[str, Sequence[str]]
    ) -> str:
        path, query = operation.path, []
        names = [part.partition("}")[0] for part in path.split("{")[1:]]
        for name in names:
            fits = name in known and self._chance.random() < 0.85
            value = self._chance.choice(known[name]) if fits else fitting.value({"type": "string", "format": "uuid"})
            path = path.replace(f"{{{name}}}", self._quoted(value))
        for each in operation.parameters:
            if each["in"] == "query" and self._chance.random() < 0.4:
                query.append((each["name"], fitting.value(each["schema"])))
            elif each["in"] == "header" and self._chance.random() < 0.4:
                headers[each["name"]] = _header(fitting.value(each["schema"]))
        if self._chance.random() < 0.1:
            query.append((self._chance.choice(QUERY_NAMES), hostile(self._chance)))
        if self._chance.random() < 0.03:
            path = self._chance.choice((path + "/", "/" + path, path.upper(), path[: len(path) // 2], path + "/../x"))
        return path + ("?" + "&".join(f"{name}={self._quoted(value)}" for name, value in query) if query else "")

    def _quoted(self, value: object) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        return quote(text.encode("utf-8", "surrogatepass")[:3_000], safe="")

    def _body(self, operation: Operation, fitting: Fitting, headers: dict[str, str]) -> bytes:
        if operation.method in ("GET", "HEAD") and self._chance.random() < 0.95:
            return b""
        headers["Content-Type"] = "application/json"
        kind = self._chance.random()
        if operation.path.endswith("/import"):
            return self._file(headers)
        if kind < 0.05:
            return nested(self._chance.choice((10, 1_000, 30_000))).encode()
        if kind < 0.1:
            return self._chance.randbytes(self._chance.choice((1, 40, 2_000)))
        value = fitting.value(operation.body) if operation.body else self._chance.choice(UNDOCUMENTED_BODIES)
        # Escaped, so that lone surrogates and NUL stay what they are.
        return json.dumps(value, ensure_ascii=self._chance.random() < 0.7).encode("utf-8", "surrogatepass")

    def _file(self, headers: dict[str, str]) -> bytes:
        headers["Content-Type"] = "application/octet-stream"
        turn = {"prompt": hostile(self._chance), "reply": hostile(self._chance), "create_time": hostile(self._chance)}
        conversation = {"id": hostile(self._chance), "title": hostile(self._chance), "turns": [turn], "mapping": {}}
        text = json.dumps(self._chance.choice(([conversation], conversation, turn, hostile(self._chance))))
        return self._chance.choice((text, text[:-2], nested(20_000), "PK\x03\x04" + text)).encode()

    def _written(
        self, operation: Operation, path: str, headers: dict[str, str], body: bytes, caller: Caller
    ) -> Request:
        method, whole = operation.method, True
        if self._chance.random() < 0.03:
            method = self._chance.choice(METHODS)
        for _ in range(self._chance.choice((0, 0, 0, 1, 2))):
            name = self._chance.choice(list(HEADERS))
            headers[name] = self._chance.choice(HEADERS[name])
        length = len(body)
        if self._chance.random() < 0.02:
            length = self._chance.choice((0, length + 7, max(length - 3, 0), 2**40, -1))
        if length != len(body) or "Transfer-Encoding" in headers or "Expect" in headers:
            whole = False
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if (body or method not in ("GET", "HEAD")) and "Transfer-Encoding" not in headers:
            lines.append(f"Content-Length: {length}")
        payload = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace") + body
        damaged = self._damaged(payload)
        return Request(f"{method[:20]} {operation.path}", caller.name, damaged, whole and damaged == payload)

    def _damaged(self, payload: bytes) -> bytes:
        kind, place = self._chance.random(), self._chance.randrange(len(payload))
        if kind < 0.02:
            return payload[:place]
        if kind < 0.04:
            return payload[:place] + self._chance.randbytes(3) + payload[place:]
        if kind < 0.05:
            return payload.replace(b"\r\n", self._chance.choice((b"\n", b"\r", b"\r\n ")), 3)
        if kind < 0.055:
            return payload.replace(b"HTTP/1.1", self._chance.choice((b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b"")), 1)
        return payload


def _header(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("\r", "").replace("\n", "").replace("\0", "")[:2_000]
