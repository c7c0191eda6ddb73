"""A small conversation in each format, by the name of its source. Adding a format means adding one here.

Each is `write(number, turns)`: the conversation of that number with so many turns, `question 1.1` and `answer 1.1`, at
one minute after the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

BEGUN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
Write = Callable[[int, int], Any]


@dataclass(frozen=True)
class Example:
    """An example.

    Args:
        source: of the format.
        write: returns the value of a file.
        has_title, has_times, has_ids: the program writes them; without ids of a conversation none can be continued.
    """

    source: str
    write: Write
    has_title: bool = True
    has_times: bool = True
    has_ids: bool = True
    name: str = ""


def at(turn: int, second: int = 0) -> datetime:
    return BEGUN + timedelta(minutes=turn, seconds=second)


def iso(turn: int, second: int = 0) -> str:
    return at(turn, second).isoformat().replace("+00:00", "Z")


def milliseconds(turn: int, second: int = 0) -> int:
    return int(at(turn, second).timestamp() * 1000)


def title(number: int) -> str:
    return f"Title {number}"


def spoken(number: int, turns: int) -> list[tuple[str, str, str, int, int]]:
    """Return (role, id, text, turn, second) of each message."""
    said = []
    for turn in range(1, turns + 1):
        said.append(("user", f"u{number}-{turn}", f"question {number}.{turn}", turn, 0))
        said.append(("assistant", f"a{number}-{turn}", f"answer {number}.{turn}", turn, 5))
    return said


def chained(number: int, turns: int) -> list[tuple[str, str, str | None, str, int, int]]:
    """Return the messages with the id of the one before each."""
    messages = spoken(number, turns)
    before = [None, *(each[1] for each in messages)]
    return [(role, id_, above, *rest) for (role, id_, *rest), above in zip(messages, before, strict=False)]  # type: ignore[misc]


def chatgpt(number: int, turns: int) -> Any:
    nodes: dict[str, Any] = {
        id_: {
            "id": id_,
            "parent": above,
            "children": [],
            "message": {
                "id": id_,
                "author": {"role": role},
                "create_time": at(turn, second).timestamp(),
                "content": {"content_type": "text", "parts": [text]},
            },
        }
        for role, id_, above, text, turn, second in chained(number, turns)
    }
    return {"conversation_id": f"c{number}", "title": title(number), "mapping": nodes, "current_node": [*nodes][-1]}


def deepseek(number: int, turns: int) -> Any:
    kinds = {"user": "REQUEST", "assistant": "RESPONSE"}
    nodes: dict[str, Any] = {"root": {"id": "root", "parent": None, "children": [], "message": None}}
    for role, id_, above, text, turn, second in chained(number, turns):
        message: dict[str, Any] = {"model": "deep", "inserted_at": iso(turn, second), "files": []}
        message["fragments"] = [{"type": kinds[role], "content": text}]
        nodes[id_] = {"id": id_, "parent": above or "root", "children": [], "message": message}
    return {"id": f"c{number}", "title": title(number), "inserted_at": iso(0), "mapping": nodes}


def claude(number: int, turns: int) -> Any:
    senders = {"user": "human", "assistant": "assistant"}
    messages = [
        {
            "uuid": id_,
            "parent_message_uuid": above or "00000000-0000-4000-8000-000000000000",
            "sender": senders[role],
            "text": text,
            "content": [{"type": "text", "text": text, "citations": []}],
            "created_at": iso(turn, second),
            "attachments": [],
            "files": [],
        }
        for role, id_, above, text, turn, second in chained(number, turns)
    ]
    return {"uuid": f"c{number}", "name": title(number), "created_at": iso(0), "chat_messages": messages}


def librechat(number: int, turns: int) -> Any:
    messages = [
        {
            "messageId": id_,
            "parentMessageId": above or "00000000-0000-0000-0000-000000000000",
            "isCreatedByUser": role == "user",
            "sender": "User" if role == "user" else "Llama",
            "text": text,
            "createdAt": iso(turn, second),
        }
        for role, id_, above, text, turn, second in chained(number, turns)
    ]
    return {"conversationId": f"c{number}", "title": title(number), "options": {"top_p": 1}, "messages": messages}


def llamacpp(number: int, turns: int) -> Any:
    messages = [
        {
            "convId": f"c{number}",
            "id": id_,
            "parent": above or "root",
            "type": "text",
            "role": role,
            "content": text,
            "timestamp": milliseconds(turn, second),
        }
        for role, id_, above, text, turn, second in chained(number, turns)
    ]
    conversation = {"id": f"c{number}", "name": title(number), "currNode": messages[-1]["id"]}
    return {"conv": conversation, "messages": messages}


def grok(number: int, turns: int) -> Any:
    senders = {"user": "human", "assistant": "ASSISTANT"}
    responses = [
        {
            "response": {
                "_id": id_,
                "sender": senders[role],
                "message": text,
                "create_time": {"$date": {"$numberLong": str(milliseconds(turn, second))}},
            }
        }
        for role, id_, text, turn, second in spoken(number, turns)
    ]
    conversation = {"id": f"c{number}", "title": title(number), "create_time": iso(0)}
    return {"conversation": conversation, "responses": responses}


def gemini(number: int, _turns: int) -> Any:
    answer = {"html": f"<p>answer <b></b>{number}.1</p>"}
    entry = {"header": "Gemini Apps", "title": f"Prompted question {number}.1", "time": iso(1)}
    return entry | {"products": ["Gemini Apps"], "safeHtmlItem": [{"html": answer["html"].replace("<b></b>", "")}]}


def ai_studio(number: int, turns: int) -> Any:
    roles = {"user": "user", "assistant": "model"}
    chunks = [{"role": roles[role], "text": text, "tokenCount": 3} for role, _, text, _, _ in spoken(number, turns)]
    return {"runSettings": {"model": "models/gem"}, "chunkedPrompt": {"chunks": chunks}}


def sharegpt(number: int, turns: int) -> Any:
    names = {"user": "human", "assistant": "gpt"}
    said = [{"from": names[role], "value": text} for role, _, text, _, _ in spoken(number, turns)]
    return {"id": f"c{number}", "conversations": said}


def claude_code(number: int, turns: int) -> Any:
    return {
        "sessionId": f"c{number}",
        "title": title(number),
        "messages": [
            {
                "type": role,
                "uuid": id_,
                "parentUuid": above,
                "timestamp": iso(turn, second),
                "message": {"role": role, "content": [{"type": "text", "text": text}] if role != "user" else text},
            }
            for role, id_, above, text, turn, second in chained(number, turns)
        ],
    }


def lmstudio(number: int, turns: int) -> Any:
    def version(role: str, text: str) -> dict[str, Any]:
        content = [{"type": "text", "text": text}]
        if role == "user":
            return {"type": "singleStep", "role": role, "content": content}
        return {"type": "multiStep", "role": role, "steps": [{"type": "contentBlock", "content": content}]}

    messages = [
        {"versions": [version(role, text)], "currentlySelected": 0} for role, _, text, _, _ in spoken(number, turns)
    ]
    return {"name": title(number), "createdAt": milliseconds(number), "messages": messages}


def jan(number: int, turns: int) -> Any:
    messages = [
        {
            "id": id_,
            "thread_id": f"c{number}",
            "object": "thread.message",
            "role": role,
            "content": [{"type": "text", "text": {"value": text, "annotations": []}}],
            "created_at": milliseconds(turn, second),
        }
        for role, id_, text, turn, second in spoken(number, turns)
    ]
    return {"id": f"c{number}", "messages": messages}


def chat_ui(number: int, turns: int) -> Any:
    messages = [
        {
            "id": id_,
            "from": role,
            "content": text,
            "ancestors": [above] if above else [],
            "createdAt": iso(turn, second),
        }
        for role, id_, above, text, turn, second in chained(number, turns)
    ]
    return {"_id": f"c{number}", "title": title(number), "messages": messages}


def chatbox(number: int, turns: int) -> Any:
    messages = [
        {
            "id": id_,
            "role": role,
            "contentParts": [{"type": "text", "text": text}],
            "timestamp": milliseconds(turn, second),
        }
        for role, id_, text, turn, second in spoken(number, turns)
    ]
    return {"id": f"c{number}", "name": title(number), "type": "chat", "messages": messages}


def typingmind(number: int, turns: int) -> Any:
    messages = [
        {"uuid": id_, "role": role, "content": text, "createdAt": iso(turn, second)}
        for role, id_, text, turn, second in spoken(number, turns)
    ]
    return {"chatID": f"c{number}", "chatTitle": title(number), "createdAt": iso(0), "messages": messages}


def nextchat(number: int, turns: int) -> Any:
    messages = [
        {"id": id_, "role": role, "content": text, "date": "1/5/2026, 8:01:00 AM"}
        for role, id_, text, _, _ in spoken(number, turns)
    ]
    return {"id": f"c{number}", "topic": title(number), "messages": messages}


def lobechat(number: int, turns: int) -> Any:
    messages = [
        {"id": id_, "role": role, "content": text, "topicId": f"c{number}", "createdAt": milliseconds(turn, second)}
        for role, id_, text, turn, second in spoken(number, turns)
    ]
    return {"id": f"c{number}", "title": title(number), "messages": messages}


def open_webui(number: int, turns: int) -> Any:
    messages: dict[str, Any] = {
        id_: {
            "id": id_,
            "parentId": above,
            "childrenIds": [],
            "role": role,
            "content": text,
            "timestamp": at(turn, second).timestamp(),
        }
        for role, id_, above, text, turn, second in chained(number, turns)
    }
    chat = {"title": title(number), "history": {"messages": messages, "currentId": [*messages][-1]}}
    return {"id": f"c{number}", "user_id": "ann", "title": title(number), "created_at": 1767600000, "chat": chat}


def neutral(number: int, turns: int) -> Any:
    messages = [
        {"id": id_, "parent": above, "role": role, "content": text, "time": iso(turn, second)}
        for role, id_, above, text, turn, second in chained(number, turns)
    ]
    return {"id": f"c{number}", "title": title(number), "messages": messages}


def ai_sdk(number: int, turns: int) -> Any:
    messages = [
        {"id": id_, "role": role, "parts": [{"type": "step-start"}, {"type": "text", "text": text}]}
        for role, id_, text, _, _ in spoken(number, turns)
    ]
    return {"id": f"c{number}", "messages": messages}


def chatstream(number: int, turns: int) -> Any:
    sides = {"user": "REQUESTER", "assistant": "RESPONDER"}
    contents = [
        {"role": role, "role_type": sides[role], "message": text} for role, _, text, _, _ in spoken(number, turns)
    ]
    return {"system": None, "requester": "user", "responder": "assistant", "chat_contents": contents}


EXAMPLES = (
    Example("chatgpt", chatgpt),
    Example("deepseek", deepseek),
    Example("chatstream", chatstream, has_title=False, has_times=False, has_ids=False),
    Example("claude", claude),
    Example("librechat", librechat),
    Example("llama.cpp", llamacpp),
    Example("grok", grok),
    Example("gemini", gemini, has_title=False, has_ids=False),
    Example("ai-studio", ai_studio, has_title=False, has_times=False, has_ids=False),
    Example("sharegpt", sharegpt, has_title=False, has_times=False),
    Example("claude-code", claude_code),
    Example("lmstudio", lmstudio, has_times=False),
    Example("jan", jan, has_title=False),
    Example("chat-ui", chat_ui),
    Example("chatbox", chatbox),
    Example("typingmind", typingmind),
    Example("nextchat", nextchat, has_times=False),
    Example("lobechat", lobechat),
    Example("open-webui", open_webui),
    Example("messages", neutral),
    Example("messages", ai_sdk, has_title=False, has_times=False, name="ai-sdk"),
)
