"""Requests that were made to cost more than they did to send."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.servers import request

MEGABYTE = 1024**2
HEAD_BYTES = 60_000
MARKDOWN_CHARACTERS = 60_000

# Each is repeated until the request is as large as it may be.
JSON = {
    "lists": "[1 2],",
    "empty objects": "{},",
    "empty lists": "[],",
    "open lists": "[",
    "open objects": '{"a":',
    "texts": '"a",',
    "escapes": '"\\u0041",',
    "surrogates": '"\\ud800",',
    "backslashes": "\\",
    "quotes": '"',
    "escaped quotes": '\\"',
    "digits": "1",
    "numbers": "1,",
    "floats": "1e5,",
    "spaces": " ",
    "words": "nul,",
    "names twice": '{"a":1,"a":2},',
    "no UTF-8": "\xff",
    "deep": "[" * 900 + "]" * 900 + ",",
    "one text": "a",
    "NaN": "NaN,",
}
CONVERSATIONS = {
    "chats": '{"id":"%d","title":"t","chat":{"history":{"currentId":"a","messages":{"a":{"id":"a","role":"user",'
    '"content":"x","parentId":null,"childrenIds":[]}}}}},',
    "circles": '{"mapping":{"a":{"id":"a","children":["a"],"parent":"a","message":null}},"id":"x"},',
    "no turns": '{"mapping":{},"id":"a"},',
}
MARKDOWN = {
    "words": "word ",
    "quotes": "> ",
    "lists": "- a\n",
    "lists in lists": "- ",
    "markers in turn": "- a\n* b\n+ c\n",
    "numbers": "1. ",
    "emphasis": "*a ",
    "emphasis, closed": "*a* ",
    "strong in emphasis": "**a *b ",
    "stars": "*",
    "both marks": "*_",
    "tildes": "~~a ",
    "brackets": "[",
    "images": "![",
    "links": "[a](b) ",
    "links in links": "[a](",
    "titles": '[a](b "',
    "references": "[a]: b\n",
    "addresses": "<http://a.b> ",
    "angles": "<",
    "comments": "<!-- ",
    "declarations": "<![CDATA[",
    "entities": "&amp;",
    "broken entities": "&a",
    "backticks": "`",
    "code": "`a` ",
    "backslashes": "\\*",
    "tables": "|a|b|\n|-|-|\n",
    "pipes": "|-\n",
    "alignments": "a|b\n:-:|:-:\n",
    "headings": "# a\n",
    "underlines": "a\n=\n",
    "rules": "---\n",
    "fences": "```py\na\n```\n",
    "code in colour": "```python\n" + "a+" * 2900 + "\n```\n",
    "texts in colour": "```python\n" + "'\\" * 2900 + "\n```\n",
    "tags in colour": "```html\n" + "<a " * 1900 + "\n```\n",
    "line breaks": "a  \n",
    "blank lines": "\n",
    "tabs": "\ta\n",
}
QUERIES = {"pairs": "a&", "escapes": "%E3%81%82", "words": "q=a+", "limits": "limit=1&", "signs": "q=%22", "dots": "."}
HEADERS = {
    "cookies": ("Cookie", "a=b;"),
    "our cookies": ("Cookie", "sid=a.b.c;"),
    "signed cookies": ("Cookie", "sid=" + "a" * 40 + ".b.c;"),
    "empty cookies": ("Cookie", ";"),
    "languages": ("Accept-Language", "a;q=0.1,"),
    "types": ("Accept", "a/b;"),
    "addresses": ("X-Forwarded-For", "1,"),
    "forwards": ("Forwarded", 'for="a";'),
    "tokens": ("Authorization", "Bearer a"),
    "origins": ("Origin", "http://a"),
    "digits": ("Last-Event-ID", "1"),
    "ids": ("X-Request-ID", "a"),
    "ranges": ("Range", "bytes=1-2,"),
    "tags": ("If-None-Match", '"a",'),
    "media types": ("Content-Type", "a/b;"),
    "agents": ("User-Agent", "a "),
}


@dataclass(frozen=True, slots=True)
class Attack:
    """One request of a signed-in user."""

    name: str
    raw: bytes

    @property
    def megabytes(self) -> float:
        return len(self.raw) / MEGABYTE


def attacks(port: int, cookie: str, conversation: str) -> Iterator[Attack]:
    """Yield every request."""
    turns = f"/api/v1/conversations/{conversation}/turns"

    def asked(method: str, path: str, body: bytes = b"") -> bytes:
        return request(port, method, path, body, Cookie=cookie)

    for name, unit in JSON.items():
        body = b'{"content":[' + filled(unit, MEGABYTE - 100)
        yield Attack(f"JSON of {name}", asked("POST", turns, body))
        yield Attack(
            f"JSON of {name}, 16 KB, before sign-in", request(port, "POST", "/api/v1/auth/login", body[:16_000])
        )
        yield Attack(f"file of {name}", asked("POST", "/api/v1/import", b"[" + filled(unit, MEGABYTE)))
        yield Attack(f"ZIP of {name}", asked("POST", "/api/v1/import", zipped(filled(unit, 8 * MEGABYTE))))
    for name, unit in CONVERSATIONS.items():
        yield Attack(f"file of {name}", asked("POST", "/api/v1/import", b"[" + filled(unit, MEGABYTE)))
    yield from _params(asked, turns)
    yield from _forms(port, cookie)
    for name, unit in MARKDOWN.items():
        body = json.dumps({"text": (unit * MARKDOWN_CHARACTERS)[:MARKDOWN_CHARACTERS]}).encode()
        yield Attack(f"Markdown of {name}", asked("POST", "/web/markdown", body))
    for name, unit in QUERIES.items():
        text = (unit * HEAD_BYTES)[:HEAD_BYTES]
        yield Attack(f"query of {name}", asked("GET", f"/api/v1/conversations?{text}"))
        yield Attack(f"path of {name}", asked("GET", f"/api/v1/{text.replace('&', '/')}"))
        yield Attack(f"search for {name}", asked("GET", f"/api/v1/search?q={text[:480].replace('&', '+')}"))
    for name, (header, unit) in HEADERS.items():
        value = (unit * HEAD_BYTES)[:HEAD_BYTES]
        yield Attack(f"header of {name}", request(port, "GET", "/", b"", **({"Cookie": cookie} | {header: value})))


def filled(unit: str, size: int) -> bytes:
    """Return `size` bytes of the unit; where it has a %d, each has its number."""
    if "%d" in unit:
        return "".join(unit % number for number in range(size // len(unit))).encode()
    return (unit * (size // len(unit) + 1)).encode("latin-1")[:size]


def zipped(text: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", text)
    return out.getvalue()


def _params(asked: Callable[..., bytes], turns: str) -> Iterator[Attack]:
    many = {f"k{number}": number for number in range(1100)}
    deep: object = 1
    for _ in range(60):
        deep = {"a": deep}
    for name, value in (("names", many), ("depth", deep), ("a number", 10**4000)):
        body = b'{"metadata":{"a":' + _json_of(value) + b"}}"
        yield Attack(f"metadata of {name}", asked("POST", turns.rpartition("/")[0].rpartition("/")[0], body))


def _json_of(value: object) -> bytes:
    return b"1" + b"0" * 4000 if isinstance(value, int) and value > 1 else json.dumps(value).encode()


def _forms(port: int, cookie: str) -> Iterator[Attack]:
    """Forms with a file: whatever is around it is read, too."""
    part = b'--x\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n'
    shapes = {
        "empty parts": (b"--x\r\n\r\n" * MEGABYTE)[:MEGABYTE],
        "parts": ((part + b"\r\n\r\n") * (MEGABYTE // len(part)))[:MEGABYTE],
        "one header": part + b"A: " + b"b" * MEGABYTE,
        "headers": part + b"A: b\r\n" * (MEGABYTE // 6),
        "boundaries": part + b"\r\n" + (b"\r\n--" * MEGABYTE)[:MEGABYTE],
        "half boundaries": part + b"\r\n" + (b"\r\n--x-" * MEGABYTE)[:MEGABYTE],
        "line breaks": part + b"\r\n" + b"\r\n" * (MEGABYTE // 2),
        "a preamble": b"a\r\n" * (MEGABYTE // 3) + part + b"\r\n",
        "an epilogue": part + b"\r\n[]\r\n--x--" + b"a" * MEGABYTE,
        "a file": part + b"\r\n[" + b"[1 2]," * (MEGABYTE // 6) + b"\r\n--x--\r\n",
    }
    for name, body in shapes.items():
        head = f"POST /api/v1/import HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
        head += f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
        yield Attack(f"form of {name}", head.encode() + body)
