"""Examples of files for the OpenAPI document."""

import json

_TURN = {
    "id": "0198c0de-0000-7000-8000-000000000001",
    "conversation_id": "0198c0de-0000-7000-8000-0000000c0de0",
    "parent_id": None,
    "index": 0,
    "status": "complete",
    "prompt": {"content": "Which tea keeps me awake?"},
    "reply": {"content": "Black tea: it has the most caffeine."},
    "model": "llama3.2",
    "params": {},
    "usage": {"input_tokens": 18, "output_tokens": 9},
    "error": None,
    "feedback": None,
    "siblings": {"count": 1, "position": 1},
    "created_at": "2026-01-31T09:30:00.000000Z",
    "completed_at": "2026-01-31T09:30:01.250000Z",
}
CONVERSATION = {
    "format": "chatkeep/1",
    "id": _TURN["conversation_id"],
    "title": "Tea",
    "system_prompt": None,
    "model": "llama3.2",
    "params": {},
    "head_turn_id": _TURN["id"],
    "turn_count": 1,
    "archived": False,
    "pinned": False,
    "created_at": _TURN["created_at"],
    "updated_at": _TURN["completed_at"],
    "last_turn_at": _TURN["created_at"],
    "metadata": {},
    "turns": [_TURN],
}
MARKDOWN = """\
# Tea

## User · 2026-01-31 09:30 UTC

Which tea keeps me awake?

## Assistant · llama3.2

Black tea: it has the most caffeine.
"""
PAGE = '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Tea</title>\n…'
TURNS = json.dumps(_TURN) + "\n"
ACCOUNT = json.dumps(CONVERSATION) + "\n"
CHATSTREAM_PROMPT = json.dumps(
    {
        "system": "Answer in one sentence.",
        "requester": "user",
        "responder": "assistant",
        "chat_contents": [
            {"role": "user", "role_type": "REQUESTER", "message": "Which tea keeps me awake?", "message_id": None},
            {"role": "assistant", "role_type": "RESPONDER", "message": "Black tea.", "message_id": None},
        ],
    }
)
