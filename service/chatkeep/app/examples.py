"""Examples for the OpenAPI document: written for what people read first, made from the schema for the rest.

A test holds every one of them to its schema.
"""

from collections.abc import Mapping
from typing import Any

TIME = "2026-01-31T09:30:00.000000Z"
USER_ID = "0198c0de-0000-7000-8000-00000000a11c"
CONVERSATION_ID = "0198c0de-0000-7000-8000-0000000c0de0"
FILE_ID = "0198c0de-0000-7000-8000-00000000f11e"
TURN_ID = "0198c0de-0000-7000-8000-000000000001"

PARAMETERS: Mapping[str, tuple[str, object]] = {
    "conversation_id": ("A conversation's id.", CONVERSATION_ID),
    "turn_id": ("A turn's id.", TURN_ID),
    "user_id": ("A user's id.", USER_ID),
    "file_id": ("A file's id.", FILE_ID),
    "session_id": ("The id of a session, as the list of sessions gives it.", "0198c0de-0000-7000-8000-0000005e5510"),
    "token_id": ("The id of a token, as the list of tokens gives it.", "0198c0de-0000-7000-8000-0000000070ce"),
    "username": ("A username.", "alice"),
    "model": ("A model's name.", "llama3.2"),
    "status": ("How the turn stands.", "failed"),
    "role": ("What the user may do.", "admin"),
    "rating": ("What the user thought of the reply.", -1),
    "disabled": ("Only users who may not sign in, or only others.", False),
    "held": ("Only users under legal hold, or only others.", True),
    "guest": ("Only guests, or only accounts.", False),
    "receipt": ("The number that deleting the account gave.", "3-1042"),
    "row": ("A row's number.", "3-1042"),
    "archived": ("Only archived ones, or only others.", False),
    "pinned": ("Only pinned ones, or only others.", True),
    "order": ("From the head up, or from the root down.", "desc"),
    "format": ("Which kind of file.", "jsonl"),
    "bom": ("Whether a table begins with a byte order mark.", False),
    "q": ("What to look for.", "tea"),
    "from": ("From this time on.", "2026-01-01T00:00:00Z"),
    "to": ("Before this time.", "2026-02-01T00:00:00Z"),
    "dry_run": ("Do nothing, and tell what would be done.", True),
    "limit": ("Items per page.", 50),
    "bucket": ("How long each period is.", "day"),
    "action": ("What was done.", "history_read"),
    "actor_id": ("Who did it.", "0198c0de-0000-7000-8000-0000000ad312"),
    "subject_id": ("To whom it was done.", USER_ID),
    "x-audit-reason": ("Why; it is put on record.", "Complaint 4711"),
    "idempotency-key": ("A word of your own for this request.", "7f9c2ba4e88f827d"),
    "last-event-id": ("The `id` of the last event that was read.", 120),
}

_USER = {
    "id": USER_ID,
    "username": "alice",
    "email": "alice@example.org",
    "display_name": "Alice",
    "role": "user",
    "is_guest": False,
    "created_at": TIME,
}
_CONVERSATION = {
    "id": CONVERSATION_ID,
    "title": "Tea",
    "system_prompt": "Answer in one sentence.",
    "model": "llama3.2",
    "params": {"temperature": 0.7},
    "head_turn_id": TURN_ID,
    "turn_count": 1,
    "archived": False,
    "pinned": False,
    "created_at": TIME,
    "updated_at": TIME,
    "last_turn_at": TIME,
    "metadata": {"project": "kitchen"},
}
_TURN = {
    "id": TURN_ID,
    "conversation_id": CONVERSATION_ID,
    "parent_id": None,
    "index": 0,
    "status": "complete",
    "finish_reason": "stop",
    "continues": None,
    "prompt": {"content": "Which tea keeps me awake?", "items": None},
    "reply": {
        "content": "Black tea: it has the most caffeine.",
        "refusal": None,
        "items": [
            {"type": "reasoning", "text": "Caffeine. Black tea has most.", "seconds": 0.8, "field": "reasoning"},
            {"type": "message", "start": 0, "end": 36},
        ],
    },
    "model": "llama3.2",
    "params": {"temperature": 0.7},
    "usage": {"input_tokens": 18, "output_tokens": 17, "cached_tokens": None, "reasoning_tokens": 8},
    "context": {"turns": 0, "left_out": 0},
    "error": None,
    "feedback": None,
    "siblings": {"count": 1, "position": 1},
    "created_at": TIME,
    "completed_at": "2026-01-31T09:30:01.250000Z",
}
_FILE = {
    "id": FILE_ID,
    "name": "tea.png",
    "media_type": "image/png",
    "size": 48213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "created_at": TIME,
}
_TOKEN = {
    "id": PARAMETERS["token_id"][1],
    "name": "laptop",
    "created_at": TIME,
    "last_used_at": None,
    "expires_at": "2027-01-31T09:30:00.000000Z",
    "scopes": ["chat", "read"],
}
_AUDIT_EVENT: Mapping[str, Any] = {
    "id": "0198c0de-0000-7000-8000-00000a0d1700",
    "created_at": TIME,
    "action": "conversation_read",
    "actor_kind": "user",
    "actor_id": PARAMETERS["actor_id"][1],
    "actor_username": "root",
    "subject_id": USER_ID,
    "subjects": [{"id": USER_ID, "username": "alice"}],
    "reason": "Complaint 4711",
    "address": "192.0.2.7",
    "request_id": "7f9c2ba4e88f827d",
    "details": {"conversation_id": CONVERSATION_ID},
    "chain": 0,
    "seq": 4711,
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}

_LATENCY = {"p50": 1.176354, "p90": 3.627669, "p95": 4.704315, "p99": 9.408631}
_FIRST_TEXT = {"p50": 0.174847, "p90": 0.453458, "p95": 0.588042, "p99": 1.078627}
_TURN_COUNTS = {
    "turns": 120,
    "failures": 2,
    "incomplete": 1,
    "stopped": 5,
    "interrupted": 0,
    "input_tokens": 51_210,
    "output_tokens": 18_377,
    "turns_with_tokens": 113,
    "latency_seconds": _LATENCY,
    "first_text_seconds": _FIRST_TEXT,
}
_PERIOD = _TURN_COUNTS | {"users": 3, "conversations": 31, "models": [_TURN_COUNTS | {"model": "llama3.2"}]}

SCHEMAS: Mapping[str, object] = {
    "User": _USER,
    "ListedUser": _USER
    | {"disabled": False, "legal_hold": False, "conversation_count": 3, "turn_count": 41, "last_seen_at": TIME},
    "Conversation": _CONVERSATION,
    "AnyConversation": _CONVERSATION | {"user_id": USER_ID, "username": "alice"},
    "Turn": _TURN,
    "File": _FILE,
    "HistoryTurn": _TURN | {"user_id": USER_ID, "username": "alice", "conversation_title": "Tea"},
    "FoundTurn": {
        "conversation_id": CONVERSATION_ID,
        "conversation_title": "Tea",
        "turn_id": TURN_ID,
        "snippet": "Which <mark>tea</mark> keeps me awake?",
        "found_in": "text",
        "created_at": TIME,
    },
    "Token": _TOKEN,
    "NewToken": _TOKEN | {"token": "ck_b2x5IGFuIGV4YW1wbGUsIG5vdCBhIHNlY3JldA"},
    "OwnToken": {"scopes": ["chat", "read"], "expires_at": "2027-01-31T09:30:00.000000Z"},
    "LoginSession": {
        "id": PARAMETERS["session_id"][1],
        "created_at": TIME,
        "last_seen_at": TIME,
        "expires_at": "2026-02-14T09:30:00.000000Z",
        "ip": "192.0.2.7",
        "user_agent": "Mozilla/5.0",
        "current": True,
    },
    "AuditEvent": _AUDIT_EVENT,
    "HistoryAccess": {
        "id": _AUDIT_EVENT["id"],
        "created_at": TIME,
        "action": "conversation_read",
        "reader_kind": "user",
        "reader": "root",
        "conversation_id": CONVERSATION_ID,
    },
    "GenerationParams": {"temperature": 0.7},
    "CreateConversation": {"title": "Tea", "system_prompt": "Answer in one sentence."},
    "ChangeConversation": {"title": "Tea and coffee", "archived": False},
    "CreateTurn": {"content": "Which tea keeps me awake?", "stream": False},
    "ChangeMe": {"display_name": "Alice", "email": "alice@example.org"},
    "ChangePassword": {
        "current_password": "correct horse battery staple",
        "new_password": "twelve quiet elephants",
    },
    "CreateToken": {"name": "laptop", "expires_at": None, "scopes": ["chat", "read"]},
    "ChangeUser": {"disabled": True},
    "InviteUser": {"username": "bob", "email": "bob@example.org"},
    "LinkSecret": {"token": "b2x5IGFuIGV4YW1wbGUsIG5vdCBhIHNlY3JldA"},
    "UseLink": {"token": "b2x5IGFuIGV4YW1wbGUsIG5vdCBhIHNlY3JldA", "password": "twelve quiet elephants"},
    "StatisticsAnswer": {
        "from": "2026-01-31T00:00:00.000000Z",
        "to": "2026-02-01T00:00:00.000000Z",
        "bucket": "day",
        "buckets": [_PERIOD | {"start": "2026-01-31T00:00:00.000000Z"}],
        "total": _PERIOD,
    },
}

_OF_TYPE = {"integer": 1, "number": 0.5, "boolean": True, "null": None, "string": "text"}
_OF_FORMAT = {"uuid": TURN_ID, "date-time": TIME, "uri": "https://example.org"}


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """Return a value that fits.

    Args:
        schemas: what the document calls `#/components/schemas`.
    """
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return SCHEMAS[name] if name in SCHEMAS else example_of(schemas[name], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return _object(schema, schemas)
    for either in ("anyOf", "oneOf", "allOf"):
        if either in schema:
            return example_of(schema[either][0], schemas)
    if schema.get("type") == "array":
        return [example_of(schema.get("items", {}), schemas)]
    return _OF_FORMAT.get(schema.get("format", ""), _OF_TYPE.get(schema.get("type", "string")))


def _object(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    required = schema.get("required", ())
    return {
        name: example_of(each, schemas)
        for name, each in schema.get("properties", {}).items()
        if name in required or "examples" in each
    }
