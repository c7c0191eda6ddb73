"""The fields of a request beside its input: for the model, and told again in the answer.

Source: openai-python 3.54, `response_create_params.py`; OpenAI API reference, Create chat completion.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chatkeep.errors import Invalid
from chatkeep.openai.ids import CONVERSATION, to_own
from chatkeep.openai.schemas import CreateResponse, JsonObject

# The fields of an answer that say what its request said, with what is said where the request did not.
ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "metadata": {},
    "tools": [],
    "tool_choice": "auto",
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "reasoning": {"effort": None, "summary": None},
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    # The oldest turns are left out where not all fit, unless the client forbids it.
    "truncation": "auto",
    "background": False,
    "store": True,
    "service_tier": "default",
    "safety_identifier": None,
    "prompt_cache_key": None,
    "top_logprobs": 0,
    "temperature": 1.0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "user": None,
}
_MERGED = ("text", "reasoning")


def echo_of(body: CreateResponse) -> JsonObject:
    """Return the fields that a request chose, to be kept and told again."""
    given = {name: getattr(body, name, None) for name in ECHOED}
    kept = {name: value for name, value in given.items() if value is not None}
    if (conversation := conversation_of(body)) is not None:
        kept["conversation"] = str(conversation)
    return kept


def echoed(kept: Mapping[str, Any]) -> JsonObject:
    """Return the fields of an answer that its request decides."""
    shown = {name: kept.get(name, usual) for name, usual in ECHOED.items()}
    for name in _MERGED:
        if isinstance(shown[name], Mapping):
            shown[name] = {**ECHOED[name], **shown[name]}
    tools = shown["tools"] if isinstance(shown["tools"], list) else []
    shown["tools"] = [_whole_tool(tool) for tool in tools if isinstance(tool, Mapping)]
    return shown


def _whole_tool(tool: Mapping[str, Any]) -> JsonObject:
    if tool.get("type") != "function":
        return dict(tool)
    return {"description": None, "parameters": None, "strict": True, **tool}


def conversation_of(body: CreateResponse) -> UUID | None:
    """Return the conversation that a request names.

    Raises:
        Invalid: it also names a response, or names it by something else than its id.
        NotFound: it is none of this service's.
    """
    given = body.conversation
    if given is None:
        return None
    if body.previous_response_id is not None:
        raise Invalid("Name `conversation` or `previous_response_id`, not both.", param="previous_response_id")
    named = given.get("id") if isinstance(given, Mapping) else given
    if not isinstance(named, str):
        raise Invalid("`conversation` is the id of one, or an object with its `id`.", param="conversation")
    return to_own(CONVERSATION, named)


def instructions_of(body: CreateResponse) -> str | None:
    """Return the instructions as one text.

    Raises:
        Invalid: they are items without a text.
    """
    if body.instructions is None or isinstance(body.instructions, str):
        return body.instructions
    texts = [text for item in body.instructions for text in _texts_of(item.get("content"))]
    if not texts and body.instructions:
        raise Invalid("`instructions` is a text, or a list of messages.", param="instructions")
    return "\n\n".join(texts)


def _texts_of(content: object) -> Sequence[str]:
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)]


def params_of(body: CreateResponse) -> dict[str, object]:
    """Return the sampling parameters. Raises: ValidationError: one is out of its bounds."""
    limit = {} if body.max_output_tokens is None else {"max_tokens": body.max_output_tokens}
    return body.chosen_params() | limit


def model_request(body: CreateResponse) -> JsonObject:
    """Return the fields for the model server, in the words of chat completions.

    Tools that only OpenAI's own servers run, such as `web_search`, are not among it: no model server could.
    """
    tools, choice = _functions(body), body.tool_choice
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        allowed = {tool.get("name") for tool in choice.get("tools") or () if isinstance(tool, Mapping)}
        tools = [tool for tool in tools if tool["function"]["name"] in allowed]
        choice = choice.get("mode", "auto")
    request: JsonObject = {}
    if tools:
        request["tools"] = tools
        if (chosen := _tool_choice(choice)) is not None:
            request["tool_choice"] = chosen
        if body.parallel_tool_calls is not None:
            request["parallel_tool_calls"] = body.parallel_tool_calls
    text = body.text or {}
    if (response_format := _response_format(text.get("format"))) is not None:
        request["response_format"] = response_format
    if isinstance(text.get("verbosity"), str):
        request["verbosity"] = text["verbosity"]
    if isinstance(effort := (body.reasoning or {}).get("effort"), str):
        request["reasoning_effort"] = effort
    return request


def _functions(body: CreateResponse) -> list[JsonObject]:
    found = [tool for tool in body.tools or () if tool.get("type") == "function"]
    names = ("name", "description", "parameters", "strict")
    return [
        {"type": "function", "function": {name: tool[name] for name in names if tool.get(name) is not None}}
        for tool in found
        if isinstance(tool.get("name"), str)
    ]


def _tool_choice(choice: object) -> object:
    match choice:
        case str():
            return choice
        case {"type": "function", "name": str(name)}:
            return {"type": "function", "function": {"name": name}}
    return None


def _response_format(given: object) -> JsonObject | None:
    match given:
        case {"type": "json_object"}:
            return {"type": "json_object"}
        case {"type": "json_schema", **told}:
            names = ("name", "description", "schema", "strict")
            schema = {name: told[name] for name in names if told.get(name) is not None}
            return {"type": "json_schema", "json_schema": schema}
    return None
