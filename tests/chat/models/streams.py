"""Answers as model servers send them, odd ones too, and what must come of each."""

import json
from dataclasses import dataclass
from typing import Any

from chatkeep.chat.models import FinishReason
from tests.upstream.raw import Answer

DONE = "data: [DONE]\n\n"
OVERLOADED = '{"error": {"message": "busy"}}'
NO_OPTIONS = "Unrecognized request argument supplied: stream_options"
OTHERS_KEY = "sk-of-somebody-else-0123456789"
KEEP_ALIVE = ": keep-alive\n\n"


def event(document: object) -> str:
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n"


def chunk(delta: object = None, reason: object = None, **beside: object) -> str:
    """One event of a stream; `beside` stands next to its choices."""
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": reason}
    return event({"object": "chat.completion.chunk", "choices": [choice], **beside})


def says(*texts: str) -> str:
    return "".join(chunk({"content": text}) for text in texts)


def counts(asked: float, answered: float) -> str:
    return event({"choices": [], "usage": {"prompt_tokens": asked, "completion_tokens": answered}})


ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk(reason="stop") + DONE


def refusal(status: int, body: object, **headers: str) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(text, status, "application/json", names, "length")


@dataclass(frozen=True)
class Case:
    """One answer.

    Args:
        answer: the last of the answers to the requests of one reply, or its body.
        earlier: the answers before it.
        text: of the reply, or what there is of it.
        reason: how it ended; None where it failed or did not say.
        code: of the failure; several where any will do.
        calls: each tool call's name and arguments.
        asked: how often the server was asked; None where that is not said.
        says: must be in the failure's sentence.
    """

    name: str
    answer: Answer | str
    text: str = ""
    reason: FinishReason | None = "stop"
    code: str | tuple[str, ...] = ()
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    usage: tuple[int, int] | None = None
    earlier: tuple[Answer, ...] = ()
    asked: int | None = None
    says: str = ""

    def answers(self) -> tuple[Answer, ...]:
        return (*self.earlier, Answer(self.answer) if isinstance(self.answer, str) else self.answer)


def failed(name: str, answer: Answer | str, code: str | tuple[str, ...], text: str = "", **more: Any) -> Case:
    return Case(name, answer, text, None, code, **more)


def call(index: int | None, name: str = "", arguments: object = "", call_id: str | None = None) -> dict[str, Any]:
    place = {} if index is None else {"index": index}
    return {**place, "id": call_id, "function": {"name": name or None, "arguments": arguments}}


FULL = {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}
FAILURES = ("model_error", "model_bad_request")

ENDS = [
    failed("nothing, then the end", DONE, "empty_reply", asked=1),
    failed("a role alone", ROLE + STOP, "empty_reply", asked=1),
    failed("no byte", "", ("model_cut_off", "empty_reply")),
    failed(
        "neither reason nor end", ROLE + says("whole, for all one knows"), "model_cut_off", "whole, for all one knows"
    ),
    failed("thoughts and no answer", chunk({"reasoning": "hm"}) + DONE, "model_cut_off", reasoning="hm"),
    failed("a reason of its own", says("half") + chunk(reason="abort") + DONE, "model_error", "half", says="abort"),
    failed("a connection that breaks", Answer(says("half"), framing="cut"), "model_cut_off", "half"),
    failed("a body shorter than told", Answer(says("half"), framing="close"), "model_cut_off", "half"),
    Case(
        "an empty reason in each chunk",
        chunk({"content": "one "}, "") + chunk({"content": "two"}, "null") + STOP,
        "one two",
    ),
    Case("a pause", Answer(chunk({"content": "a"}, "") + says("b") + STOP, pauses={0: 0.3}), "ab"),
    Case(
        "cut at its length",
        ROLE + says("in the mid") + chunk(reason="length") + counts(3, 5) + DONE,
        "in the mid",
        "length",
        usage=(3, 5),
    ),
    Case("filtered", says("Partial") + chunk(reason="content_filter") + DONE, "Partial", "content_filter"),
    Case("filtered whole", ROLE + chunk(reason="content_filter") + DONE, "", "content_filter"),
    Case(
        "all spent on thought",
        ROLE + chunk({"reasoning_content": "hm "}) * 20 + chunk(reason="length") + DONE,
        "",
        "length",
        reasoning="hm " * 20,
    ),
    Case("no end mark", ROLE + says("x") + chunk(reason="stop"), "x"),
    Case("an end without reason", ROLE + says("x") + DONE, "x", None),
    Case("text after the reason", chunk({"content": "a"}, "stop") + says("b") + DONE, "ab"),
    Case("a connection that stays open after its end", Answer(says("x") + STOP, open_seconds=30), "x"),
    Case(
        "a connection that stays open after the reason", Answer(says("x") + chunk(reason="stop"), open_seconds=30), "x"
    ),
    Case(
        "usage that comes too late", Answer(says("x") + chunk(reason="stop") + counts(3, 5) + DONE, pauses={1: 30}), "x"
    ),
    Case(
        "signs of life after the reason",
        Answer(says("x") + chunk(reason="stop") + KEEP_ALIVE * 60, pauses=dict.fromkeys(range(60), 0.5)),
        "x",
    ),
    Case("another word for it", says("x") + chunk(reason="max_tokens") + DONE, "x", "length"),
    Case("another word in capitals", says("x") + chunk(reason="STOP") + DONE, "x"),
]

ERRORS = [
    failed(
        "a field of its own", f"error: {json.dumps(FULL)}\n\n", FAILURES, asked=1, says="Context size has been exceeded"
    ),
    failed(
        "a field of its own after text",
        ROLE + says("Half ") + f"error: {json.dumps(FULL)}\n\n" + DONE,
        FAILURES,
        "Half ",
    ),
    failed(
        "a string",
        ROLE + says("Half ") + event({"error": "unexpected EOF"}),
        "model_error",
        "Half ",
        says="unexpected EOF",
    ),
    failed(
        "beside a choice",
        says("Half ") + chunk({"content": ""}, "error", error={"code": 502, "message": "gone"}) + DONE,
        "model_error",
        "Half ",
    ),
    failed(
        "in a choice",
        says("Half ") + event({"choices": [{"index": 0, "error": {"code": 502, "message": "gone"}}]}),
        "model_error",
        "Half ",
    ),
    failed(
        "an object",
        event({"object": "error", "message": "out of memory", "code": 500}),
        "model_error",
        asked=1,
        says="out of memory",
    ),
    failed("message and code", says("a") + event({"message": "out of memory", "code": 50001}), "model_error", "a"),
    failed("detail", says("a") + event({"detail": "worker died"}), "model_error", "a", says="worker died"),
    failed(
        "a named event",
        says("a") + f"event: error\n{event({'message': 'worker died'})}",
        "model_error",
        "a",
        says="worker died",
    ),
    failed("a named event without JSON", "event: error\ndata: worker died\n\n", "model_error", says="worker died"),
    failed(
        "a list",
        event([{"error": {"code": 400, "message": "top_k is wrong"}}]),
        "model_bad_request",
        asked=1,
        says="top_k is wrong",
    ),
    failed("JSON without data:", says("a") + '{"error": {"message": "worker died"}}\n', "model_error", "a"),
    failed(
        "JSON in place of a stream",
        Answer('{"error": {"message": "worker died"}}', 200, "application/json"),
        "model_error",
        asked=1,
    ),
    failed("a reason", says("a") + chunk(reason="error") + DONE, "model_error", "a"),
    failed("of a server in Python", ROLE + event({"error": "index out of range in self"}), FAILURES, asked=1),
    failed(
        "of a server in Python, on several lines",
        says("a") + 'data: {"error": "CUDA error: device-side assert\nSee the log.\n\nCompile again."}\n\n',
        "model_error",
        "a",
        says="“CUDA error: device-side assert”",
    ),
    failed(
        "of a server in Python, with marks",
        says("a") + 'data: {"error": "expected "cpu", got "meta""}\n\n',
        "model_error",
        "a",
        says='“expected "cpu", got "meta"”',
    ),
    failed("half an object", says("a") + 'data: {"choices": [{"delta": {"cont\n\n' + STOP, "model_bad_answer", "a"),
]

EVENTS = [
    Case("comments first", Answer(": PROCESSING\n\n" * 2 + ROLE + says("Hi") + STOP, pauses={0: 0.1, 1: 0.1}), "Hi"),
    Case("a named ping", "event: ping\ndata: 2026-11-29 17:00:00\n\n" + says("pong") + STOP, "pong"),
    Case("named progress", "event: progress\ndata: 42%\n\n" + says("pong") + STOP, "pong"),
    Case("named progress in JSON", 'event: tool.progress\ndata: {"tool": "search"}\n\n' + says("pong") + STOP, "pong"),
    Case("a named chunk is none", f"event: draft\n{says('no')}" + says("yes") + STOP, "yes"),
    Case(
        "pings of many kinds",
        "event: ping\ndata: {}\n\ndata: \n\ndata: {}\n\ndata: null\n\ndata: 42%\n\n" + says("pong") + STOP,
        "pong",
    ),
    Case("a byte order mark", Answer(b"\xef\xbb\xbf" + (says("marked") + STOP).encode()), "marked"),
    Case(
        "another charset on the label",
        Answer(says("é東") + STOP, content_type="text/event-stream; charset=iso-8859-1"),
        "é東",
    ),
    Case("another label", Answer(says("x") + STOP, content_type="application/json"), "x"),
    Case("no label", Answer(says("x") + STOP, content_type=None), "x"),
    Case("a label in capitals", Answer(says("x") + STOP, content_type="Text/Event-Stream; Charset=UTF-8"), "x"),
    Case("lines that end at CR and LF", (ROLE + says("cr", "lf") + STOP).replace("\n", "\r\n"), "crlf"),
    Case("lines that end at CR", (ROLE + says("cr", "only") + STOP).replace("\n", "\r"), "cronly"),
    Case("CR and LF apart", Answer((says("a", "b") + STOP).replace("\n", "\r\n"), bytes_at_once=1), "ab"),
    Case(
        "data on several lines",
        'data: {"choices":[{"index":0,\ndata: "delta":{"content":"multi"},\ndata: "finish_reason":null}]}\n\n' + STOP,
        "multi",
    ),
    Case("no blank after the colon", (ROLE + says("tight") + STOP).replace("data: ", "data:"), "tight"),
    Case("other fields", f"event: message\n{says('ev')}id: 5\nretry: 1000\n{says('ent')}{STOP}", "event"),
    Case("junk after the end", says("x") + STOP + DONE + "garbage\n\n", "x"),
    Case("an end without newline", says("x") + STOP.rstrip(), "x"),
    Case("an end in small letters", says("x") + chunk(reason="stop") + DONE.lower(), "x"),
    Case("a last event without end", says("x") + chunk({"content": "y"}, "stop").rstrip(), "xy"),
    Case(
        "byte by byte",
        Answer(ROLE + says("日本語🙂é👨‍👩‍👧") + chunk(reason="stop") + counts(3, 5) + DONE, bytes_at_once=1),
        "日本語🙂é👨‍👩‍👧",
        usage=(3, 5),
    ),
    Case(
        "separators of lines", says("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg") + STOP, "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
    ),
    Case(
        "a surrogate pair in two",
        'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\ndata: {"choices":[{"delta":{"content":"\\ude00"}}]}\n\n'
        + STOP,
        "😀",
    ),
    Case("U+0000", 'data: {"choices":[{"delta":{"content":"a\\u0000b"}}]}\n\n' + STOP, "a\ufffdb"),
    Case(
        "bytes that are not UTF-8",
        Answer(b'data: {"choices":[{"delta":{"content":"bad \xff\xfe end"}}]}\n\n' + STOP.encode()),
        "bad \ufffd\ufffd end",
    ),
    Case("gzip", Answer(says("gz", "ip") + STOP, encoding="gzip"), "gzip"),
    Case("deflate", Answer(says("defl", "ate") + STOP, encoding="deflate"), "deflate"),
    Case("the connection's end", Answer(says("old style") + STOP, framing="close"), "old style"),
    Case("an event of 900 kB", says("yes " * 225_000) + STOP, "yes " * 225_000),
    Case("an event of 1100 kB", says("yes " * 275_000) + STOP, "yes " * 275_000),
    failed(
        "a page",
        Answer("<!doctype html><title>app</title>", 200, "text/html", framing="length"),
        "model_bad_answer",
        asked=1,
    ),
    failed("JSON of something else", Answer('{"status": "ok"}', 200, "application/json"), "model_bad_answer", asked=1),
]

CHUNKS = [
    Case(
        "no choice at first",
        event({"id": "", "choices": [], "prompt_filter_results": [{}]}) + ROLE + says("Hello") + STOP,
        "Hello",
    ),
    Case(
        "a delta of null",
        event({"choices": [{"delta": None}]})
        + says("x")
        + event({"choices": [{"delta": None, "finish_reason": "stop"}]})
        + DONE,
        "x",
    ),
    Case("choices of null", event({"choices": None}) + says("x") + STOP, "x"),
    Case("no choices", event({"id": "c", "object": "chat.completion.chunk"}) + says("x") + STOP, "x"),
    Case(
        "content of null",
        chunk({"role": "assistant", "content": None}) + says("x") + chunk({"content": None}, "stop") + DONE,
        "x",
    ),
    Case(
        "a message in place of a delta",
        event({"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}) + DONE,
        "whole",
    ),
    Case(
        "a message that says all again",
        says("a", "b")
        + event({"choices": [{"delta": {}, "message": {"content": "ab"}, "finish_reason": "stop"}]})
        + DONE,
        "ab",
    ),
    Case(
        "text in place of a delta",
        event({"choices": [{"index": 0, "text": "older", "finish_reason": "stop"}]}) + DONE,
        "older",
    ),
    Case(
        "a second answer beside it",
        event({"choices": [{"index": 1, "delta": {"content": "other"}}]}) + says("first") + STOP,
        "first",
    ),
    Case(
        "two answers in one event",
        event({"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "yes"}}]})
        + STOP,
        "yes",
    ),
    Case(
        "not a stream",
        Answer(
            json.dumps(
                {
                    "object": "chat.completion",
                    "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "Whole."}}],
                    "usage": {"prompt_tokens": 3, "completion_tokens": 5},
                },
                indent=2,
            ),
            200,
            "application/json",
            framing="length",
        ),
        "Whole.",
        usage=(3, 5),
    ),
    Case(
        "usage in each chunk",
        chunk({"content": "a"}, usage={"prompt_tokens": 3, "completion_tokens": 1})
        + chunk({"content": "b"}, usage={"prompt_tokens": 3, "completion_tokens": 2})
        + STOP,
        "ab",
        usage=(3, 2),
    ),
    Case(
        "usage last",
        chunk({"content": "a"}, usage=None) + chunk(reason="stop") + counts(3, 5) + DONE,
        "a",
        usage=(3, 5),
    ),
    Case("usage in fractions", says("x") + chunk(reason="stop") + counts(3.0, 5.0) + DONE, "x", usage=(3, 5)),
    Case(
        "usage of 5,000 digits",
        says("x") + chunk(reason="stop") + counts(3, 5).replace("3", "9" * 5_000) + DONE,
        "x",
    ),
    Case(
        "usage of 5,000 digits beside the text",
        chunk({"content": "x"}, usage={"prompt_tokens": 3, "completion_tokens": 5}).replace("5}", "5" * 5_000 + "}")
        + STOP,
        "x",
    ),
    Case(
        "a usage of 0.5 and infinity",
        says("x") + chunk(reason="stop") + counts(0.5, float("inf")) + DONE,
        "x",
    ),
    Case(
        "usage beside the choices",
        says("x") + chunk(reason="stop", x_groq={"usage": {"prompt_tokens": 3, "completion_tokens": 5}}) + DONE,
        "x",
        usage=(3, 5),
    ),
    Case(
        "usage of nothing",
        says("x") + chunk(reason="stop", usage={"prompt_tokens": 0, "completion_tokens": 0}) + DONE,
        "x",
    ),
    Case(
        "another id and a role in each chunk",
        "".join(
            event(
                {
                    "id": f"c{n}",
                    "choices": [
                        {"index": 0, "delta": {"role": "assistant", "content": text, "name": None, "tool_calls": None}}
                    ],
                    "usage": None,
                }
            )
            for n, text in enumerate(("these ", "words"))
        )
        + STOP,
        "these words",
    ),
    Case(
        "no finish_reason until the last",
        'data: {"choices":[{"delta":{"role":"assistant"},"index":0}]}\n\n'
        + says("\x06", "\ufffd\x1a")
        + chunk(reason="length", usage={"completion_tokens": 12, "prompt_tokens": 18}),
        "\x06\ufffd\x1a",
        "length",
        usage=(18, 12),
    ),
    Case(
        "usage in a chunk with an empty choice",
        says("b") + chunk(reason="length") + chunk(usage={"completion_tokens": 12, "prompt_tokens": 18}) + DONE,
        "b",
        "length",
        usage=(18, 12),
    ),
]

PIECES = [
    Case(
        "reasoning_content",
        ROLE
        + chunk({"content": None, "reasoning_content": "let me think"})
        + chunk({"content": "Answer", "reasoning_content": None})
        + STOP,
        "Answer",
        reasoning="let me think",
    ),
    Case(
        "reasoning",
        chunk({"content": "", "reasoning": "let me think"}) + says("Answer") + STOP,
        "Answer",
        reasoning="let me think",
    ),
    Case(
        "reasoning_details",
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": "let me think"}]}) + says("Answer") + STOP,
        "Answer",
        reasoning="let me think",
    ),
    Case(
        "the same under two names",
        chunk(
            {
                "reasoning": "hm",
                "reasoning_content": "hm",
                "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
            }
        )
        + says("A")
        + STOP,
        "A",
        reasoning="hm",
    ),
    Case(
        "content in parts",
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]})
        + chunk({"content": [{"type": "text", "text": "Bon"}, "jour"]})
        + says(" et fin")
        + STOP,
        "Bonjour et fin",
        reasoning="hm",
    ),
    Case(
        "marks of thought",
        ROLE + says("<think>\nOkay, the user ", "said hi.\n</think>\n\n", "Hello!") + STOP,
        "Hello!",
        reasoning="Okay, the user said hi.",
    ),
    Case(
        "only the end of a thought",
        ROLE + says("Okay, the user said hi.\n</think>\n\n", "Hello!") + STOP,
        "Hello!",
        reasoning="Okay, the user said hi.",
    ),
    Case(
        "the end of a thought, later",
        says("Okay, ", "the user said hi.\n", "</th", "ink>\n\n", "Hello!") + STOP,
        "Hello!",
        reasoning="Okay, the user said hi.",
    ),
    Case(
        "harmony",
        ROLE
        + says(
            "<|channel|>analysis<|message|>User says hi<|end|><|start|>assistant<|channel|>final<|message|>", "Hello!"
        )
        + STOP,
        "Hello!",
        reasoning="User says hi",
    ),
    Case(
        "a refusal",
        chunk({"content": None, "refusal": ""}) + chunk({"refusal": "I cannot help with that."}) + STOP,
        refusal="I cannot help with that.",
    ),
    Case(
        "a tool call",
        ROLE
        + chunk({"content": None, "tool_calls": [call(0, "web_search", "", "call_1")]})
        + chunk({"tool_calls": [call(0, "", '{"q":1}')]})
        + chunk(reason="tool_calls")
        + DONE,
        "",
        "tool_calls",
        calls=(("web_search", '{"q":1}'),),
    ),
    Case(
        "parallel tool calls",
        chunk({"tool_calls": [call(0, "a", '{"x"', "1"), call(1, "b", "{", "2")]})
        + chunk({"tool_calls": [call(1, "", "}"), call(0, "", ":1}")]})
        + chunk(reason="tool_calls")
        + DONE,
        "",
        "tool_calls",
        calls=(("a", '{"x":1}'), ("b", "{}")),
    ),
    Case(
        "parallel calls of one index",
        chunk({"tool_calls": [call(0, "a", "{}", "1")]})
        + chunk({"tool_calls": [call(0, "b", {"y": 2}, "2")]})
        + chunk(reason="tool_calls")
        + DONE,
        "",
        "tool_calls",
        calls=(("a", "{}"), ("b", '{"y": 2}')),
    ),
    Case(
        "a call as it was before tools",
        chunk({"function_call": {"name": "a", "arguments": ""}})
        + chunk({"function_call": {"arguments": "{}"}})
        + chunk(reason="function_call")
        + DONE,
        "",
        "tool_calls",
        calls=(("a", "{}"),),
    ),
    failed(
        "a call that was cut",
        chunk({"tool_calls": [call(0, "a", "{}", "1")]}) + chunk({"tool_calls": [call(1, "b", '{"half', "2")]}),
        "model_cut_off",
        calls=(("a", "{}"),),
    ),
]

REFUSALS = [
    Case(
        "loading",
        says("loaded") + STOP,
        "loaded",
        earlier=(refusal(503, {"error": {"code": 503, "message": "Loading model"}}),) * 4,
        asked=5,
    ),
    Case(
        "503 with Retry-After",
        says("again") + STOP,
        "again",
        earlier=(refusal(503, OVERLOADED, retry_after="0"),),
        asked=2,
    ),
    Case(
        "429 with Retry-After",
        says("again") + STOP,
        "again",
        earlier=(refusal(429, OVERLOADED, retry_after="0"),),
        asked=2,
    ),
    Case(
        "429 with Retry-After in ms",
        says("again") + STOP,
        "again",
        earlier=(refusal(429, OVERLOADED, retry_after_ms="9"),),
        asked=2,
    ),
    Case("a reset", says("again") + STOP, "again", earlier=(Answer(framing="reset"),), asked=2),
    Case(
        "no stream_options, 400",
        says("without") + STOP,
        "without",
        earlier=(refusal(400, {"error": {"message": NO_OPTIONS}}),),
        asked=2,
    ),
    Case(
        "no stream_options, 422",
        says("without") + STOP,
        "without",
        earlier=(
            refusal(422, {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}),
        ),
        asked=2,
    ),
    Case(
        "no stream_options, 500",
        says("without") + STOP,
        "without",
        earlier=(refusal(500, {"error": {"message": "stream_options not supported"}}),),
        asked=2,
    ),
    failed(
        "429 for half a minute",
        refusal(429, OVERLOADED, retry_after="30"),
        "model_rate_limited",
        asked=1,
        says="in 30 seconds",
    ),
    failed(
        "429 for want of money",
        refusal(429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
        "model_quota_reached",
        asked=1,
        says="quota",
    ),
    failed(
        "401",
        refusal(401, {"error": {"message": "Incorrect API key provided: sk-abc***."}}),
        "model_refused",
        asked=1,
        says="CHATKEEP_MODEL_API_KEY",
    ),
    failed(
        "400 for a key",
        refusal(400, [{"error": {"code": 400, "message": "API key not valid."}}]),
        "model_refused",
        asked=1,
        says="CHATKEEP_MODEL_API_KEY",
    ),
    failed(
        "400 for a key, of a gateway without a database",
        refusal(400, {"error": {"message": "No connected db.", "type": "no_db_connection", "code": "400"}}),
        "model_refused",
        asked=1,
        says="CHATKEEP_MODEL_API_KEY",
    ),
    failed(
        "401 for the gateway's own key",
        refusal(401, {"error": {"message": f"litellm.AuthenticationError: Wrong key: {OTHERS_KEY}.", "code": "401"}}),
        "model_refused",
        asked=1,
        says="refused the gateway's key (HTTP 401): “litellm.AuthenticationError: Wrong key: …”",
    ),
    failed(
        "401 with a digest of the key",
        refusal(401, {"error": {"message": f"Wrong key = sk-...rong, hash = {'0a' * 32}"}}),
        "model_refused",
        says="“Wrong key = …, hash = …”",
    ),
    failed(
        "402",
        refusal(402, {"error": {"message": "Insufficient credits.", "code": 402}}),
        "model_bad_request",
        says="Insufficient credits",
    ),
    failed(
        "404",
        refusal(404, {"error": {"message": 'model "x" not found, try pulling it first'}}),
        "model_not_found",
        says="try pulling it first",
    ),
    failed(
        "400 for a model",
        refusal(400, {"message": "The model `x` does not exist"}),
        "model_not_found",
        says="does not exist",
    ),
    failed(
        "400 for another model than the one there",
        refusal(400, {"detail": "Server is pinned to '/models/a'; requested 'b'."}),
        "model_not_found",
        says="pinned to '/models/a'",
    ),
    failed(
        "503 for ever",
        refusal(503, {"error": "CB worker is dead and cannot accept request 1: out of memory"}),
        "model_error",
        asked=3,
        says="(HTTP 503): “CB worker is dead",
    ),
    failed(
        "413",
        refusal(413, {"error": {"message": "Request too large for model: Limit 6000, Requested 9000"}}),
        "model_bad_request",
        says="Requested 9000",
    ),
    failed(
        "400 for the context",
        refusal(400, {"object": "error", "message": "maximum context length is 4096 tokens"}),
        "model_bad_request",
        says="4096 tokens",
    ),
    failed(
        "500 for the context",
        refusal(500, {"error": {"message": "the request exceeds the available context size"}}),
        "model_bad_request",
        asked=1,
        says="available context size",
    ),
    failed(
        "a parameter, in detail",
        refusal(422, {"detail": [{"loc": ["body", "top_k"], "msg": "Extra inputs are not permitted", "input": 40}]}),
        "model_bad_request",
        says="“top_k: Extra inputs are not permitted”",
    ),
    failed(
        "a parameter, in a sentence",
        refusal(400, "top_k is not supported"),
        "model_bad_request",
        says="top_k is not supported",
    ),
    failed(
        "a redirect",
        Answer("", 307, "application/json", {"location": "https://example.invalid/v1"}, "length"),
        "model_bad_answer",
        asked=1,
    ),
    failed(
        "a gateway that has tried",
        Answer("{}", 500, "application/json", {"x-litellm-attempted-retries": "2"}, "length"),
        "model_error",
        asked=1,
    ),
    failed(
        "a server that asks for no other try",
        Answer("{}", 500, "application/json", {"x-should-retry": "false"}, "length"),
        "model_error",
        asked=1,
    ),
]

# Nothing but signs of life for longer than the model may be silent.
SLOW = [
    Case(
        "signs of life before the first token",
        Answer(KEEP_ALIVE * 7 + says("late") + STOP, pauses=dict.fromkeys(range(7), 0.5)),
        "late",
    ),
    Case(
        "signs of life in the middle",
        Answer(says("before ") + KEEP_ALIVE * 7 + says("after") + STOP, pauses=dict.fromkeys(range(8), 0.5)),
        "before after",
    ),
    Case(
        "half a line now and then",
        Answer(says("drop by drop") + STOP, bytes_at_once=30, pauses=dict.fromkeys(range(6), 0.5)),
        "drop by drop",
    ),
]
CASES = [*ENDS, *ERRORS, *EVENTS, *CHUNKS, *PIECES, *REFUSALS, *SLOW]
