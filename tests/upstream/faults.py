"""The ways in which the test server fails, each by name.

A request asks for one by its model's name (`model="fault-500"`), or by beginning its newest prompt with the
name in brackets (`[fault-500] Hello`). A name that ends in `-then-ok` fails the first time that a conversation
is sent and answers the second. `slow-<ms>` is no failure: it pauses so long before each word.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Ending = Literal["whole", "no-done", "reset", "cut-off", "hang", "half-json", "error-event"]

_IN_PROMPT = re.compile(r"\[((?:fault|slow)-[a-z0-9-]+)\]")
_THEN_OK = "-then-ok"
_SLOW_WORD_SECONDS = 0.05


@dataclass(frozen=True)
class Plan:
    """How a request is answered.

    Attributes:
        body: sent instead of a reply, with `status` and `headers`.
        pause_seconds: before each word.
        words: how many words are sent before `ending`; None sends all.
        texts: sent instead of the reply's words.
        reasoning: sent first, as `reasoning_content`.
        answers: False never sends anything.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    pause_seconds: float = 0.0
    words: int | None = None
    ending: Ending = "whole"
    texts: tuple[str, ...] | None = None
    reasoning: tuple[str, ...] = ()
    usage: bool = True
    answers: bool = True


def _problem(status: int, message: str, code: str | None = None, **headers: str) -> Plan:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    body = json.dumps({"error": error}).encode()
    return Plan(status, {"content-type": "application/json", **headers}, body)


PLANS: Mapping[str, Plan] = {
    "fault-400": _problem(400, "This model's maximum context length is 4096 tokens.", "context_length_exceeded"),
    "fault-401": _problem(401, "Incorrect API key provided."),
    "fault-403": _problem(403, "You are not allowed to use this model."),
    "fault-404": _problem(404, "The model does not exist.", "model_not_found"),
    "fault-429": _problem(429, "Rate limit reached.", **{"retry-after": "60"}),
    "fault-429-then-ok": _problem(429, "Rate limit reached.", **{"retry-after": "0"}),
    "fault-500": _problem(500, "Internal server error."),
    "fault-html": Plan(200, {"content-type": "text/html"}, b"<html><body>It works!</body></html>"),
    "fault-redirect": Plan(307, {"location": "http://127.0.0.1:1/v1/chat/completions"}, b""),
    "fault-hang": Plan(answers=False),
    "fault-hang-mid": Plan(words=2, ending="hang"),
    "fault-hang-end": Plan(ending="hang"),
    "fault-reset": Plan(words=0, ending="reset"),
    "fault-reset-mid": Plan(words=2, ending="reset"),
    "fault-cut-off": Plan(words=2, ending="cut-off"),
    "fault-half-json": Plan(words=2, ending="half-json"),
    "fault-error-event": Plan(words=2, ending="error-event"),
    "fault-no-done": Plan(ending="no-done", usage=False),
    "fault-no-usage": Plan(usage=False),
    "fault-slow": Plan(pause_seconds=_SLOW_WORD_SECONDS),
    "fault-empty": Plan(texts=()),
    "fault-reasoning": Plan(reasoning=("Let me", " think.")),
    "fault-nul": Plan(texts=("A\x00B", "\x00", " C")),
    "fault-surrogates": Plan(texts=("smile ", "\ud83d", "\ude00", " lone ", "\udc00", " last \ud83d")),
}


def fault_name(model: str, newest_prompt: str) -> str | None:
    """Return the fault that a request asks for, by either way of asking."""
    if model.startswith(("fault-", "slow-")):
        return model
    match = _IN_PROMPT.match(newest_prompt)
    return match[1] if match else None


def plan_for(name: str | None, newest_prompt: str, tries: int, refused_key: str) -> Plan:
    """Return how to answer.

    Args:
        tries: how often this conversation was sent before.
        refused_key: quoted in the refusal of `fault-401`, as careless servers do.
    """
    if name is None:
        return Plan()
    if name.endswith(_THEN_OK) and tries > 0:
        return Plan()
    if name.startswith("slow-"):
        return Plan(pause_seconds=int(name.removeprefix("slow-")) / 1000)
    if name == "fault-400-echo":
        return _problem(400, f"Input should be shorter, input: '{newest_prompt}'")
    plan = PLANS[name] if name in PLANS else PLANS[name.removesuffix(_THEN_OK)]
    return _with_key(plan, refused_key) if name == "fault-401" else plan


def refusal_of_usage() -> Plan:
    """The refusal of servers that were written before `stream_options` was."""
    return _problem(400, "Unrecognized request argument supplied: stream_options")


def wrong_key(refused_key: str) -> Plan:
    return _with_key(PLANS["fault-401"], refused_key)


def _with_key(plan: Plan, refused_key: str) -> Plan:
    return replace(plan, body=_problem(401, f"Incorrect API key provided: {refused_key}.").body)
