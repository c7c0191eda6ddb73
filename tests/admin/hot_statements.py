"""The hot statements of every module, and values for everything that one of them takes."""

import hashlib
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import UUID

from chatkeep.accounts import attempt_queries, identity_queries
from chatkeep.chat.files import queries as file_queries
from chatkeep.chat.generation import replica
from chatkeep.chat.history import begin, fragments, path_queries, queries, updates
from chatkeep.chat.history import conversations as chat_queries
from chatkeep.chat.history import title_queries as listed_titles
from chatkeep.chat.search import candidates, older_queries, older_release_queries, title_queries
from chatkeep.chat.search import index_queries as search_statements
from chatkeep.chat.search.query import MAX_CONDITIONS
from chatkeep.chat.search.search import FIRST_TURNS
from chatkeep.chatstream import queries as chatstream_queries
from chatkeep.database.statement import Statement
from chatkeep.ids import new_id
from chatkeep.openai import queries as openai_queries
from chatkeep.transfer import export_queries
from chatkeep.ui_messages import queries as ui_queries
from tests.admin.bulk_data import Filled

NOW = datetime.now(UTC)
PAGE = 51

MODULES: tuple[ModuleType, ...] = (
    chat_queries,
    file_queries,
    queries,
    path_queries,
    fragments,
    updates,
    begin,
    replica,
    identity_queries,
    attempt_queries,
    export_queries,
    candidates,
    search_statements,
    older_queries,
    older_release_queries,
    title_queries,
    listed_titles,
    chatstream_queries,
    openai_queries,
    ui_queries,
)
HOT: dict[str, Statement[Any]] = {
    f"{module.__name__.removeprefix('chatkeep.')}.{name}": statement
    for module in MODULES
    for name, statement in vars(module).items()
    if isinstance(statement, Statement)
}


def arguments_of(name: str, filled: Filled, **others: object) -> list[object]:
    """Return the arguments of a statement of `HOT`."""
    statement = HOT[name]
    given = _values(filled, name) | others
    needed = {name for name, usual in statement._defaults.items() if usual is None and not name.startswith("param_")}
    assert needed <= given.keys(), "say in `_values` what it is run with"
    return statement.arguments({each: given[each] for each in needed})


def _values(filled: Filled, name: str) -> dict[str, object]:
    return {
        "user_id": filled.user_id,
        "since_id": UUID(int=0),
        "before_id": UUID(int=2**128 - 1),
        "conversation_id": new_id() if "CREATE" in name else filled.conversation_id,
        "turn_id": filled.middle_id,
        "start_id": filled.middle_id,
        "parent_id": filled.middle_id,
        "sibling_of": None,
        "file_id": filled.middle_id,
        "file_ids": [filled.middle_id, new_id()],
        "number": 0,
        "position": 100,
        "first": 10_000,
        "last": 10_050,
        "first_id": UUID(int=0),
        "max_rows": PAGE + 100,
        "direction": -1,
        "start": 0,
        "most": 16_384,
        "username_key": "user-7",
        "digests": [b"\0" * 32],
        "buckets": [b"\0" * 32],
        "machine": "machine",
        "pid": 1,
        "process_began_at": NOW,
        "limit": PAGE,
        "after_time": NOW - timedelta(hours=1),
        "after_id": UUID(int=2**128 - 1),
        # From the newest on, as a search begins: before the least id there would be nothing to read.
        "after": UUID(int=2**128 - 1),
        "mark": f"'@{filled.user_id.hex[-12:]}'" if ".older" in name else [int(filled.user_id.hex[-7:], 16)],
        "with_files": True,
        "ids": [filled.conversation_id],
        "turns": FIRST_TURNS,
        "tsquery": "'77'",
        **{f"condition_{number}": [77] for number in range(MAX_CONDITIONS)},
        "archived": None,
        "pinned": None,
        "q": "title 77",
        "title": "A title",
        "system_prompt": None,
        "model": "first",
        "default_model": "first",
        "params": {},
        "extra": {},
        "prompt": "What?",
        "reply": "That.",
        "status": "complete",
        "reply_items": None,
        "finish_reason": "stop",
        "left_out": None,
        "cached_tokens": None,
        "reasoning_tokens": None,
        "prompt_items": None,
        "continues": None,
        "kind": "reasoning",
        "kinds": [None],
        "end": 50,
        "input_tokens": 1,
        "output_tokens": 1,
        "error_code": None,
        "error_detail": None,
        "first_text_ms": 100,
        "offered_models": ["first"],
        "rating": 1,
        "comment": None,
        "idempotency_key": "key-1000",
        "request_digest": b"digest",
        "replica_id": new_id(),
        "context_bytes": 24_576,
        "seconds": 10,
        "user_ids": [filled.user_id],
        "turn_ids": [filled.middle_id],
        "positions": [0],
        "texts": ["text"],
        "lexemes": ["what\nnext"],
        "reasoning_lexemes": ["why\nnot"],
        "after_user_id": filled.user_id,
        "lexemes_texts": ["{1,2}"],
        "digest": b"\0" * 32,
        "now": NOW,
        "idle_since": NOW - timedelta(days=14),
        "seen_before": NOW - timedelta(minutes=1),
        "ip": "192.0.2.1",
        "last_id": filled.conversation_id,
        "newest_id": UUID(int=2**128 - 1),
        "max_bytes": 262_144,
        "request": {},
        "sent": "0" * 64,
        "path_digest": b"\0" * 32,
        "prompt_digest": hashlib.sha256(b"3").digest()[:16],
        "path_digests": [number.to_bytes(32) for number in range(200)],
    }
